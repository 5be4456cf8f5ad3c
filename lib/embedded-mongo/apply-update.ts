import { compareValues, equalValues } from "./bson-order.ts";
import { type BsonDocument, copyValue, typeOf, type Value } from "./bson-value.ts";
import { badValue, refuse, serverError, typeMismatch } from "./errors.ts";
import type { Change, Update } from "./parse-update.ts";
import { findPlace, makePlace, type Place, read, remove, write } from "./update-path.ts";

export interface UpdateContext {
  /** Whether the document is being made by an upsert, so that `$setOnInsert` counts. */
  inserting: boolean;
  /** The clock of `$currentDate`. */
  now: Date;
}

/**
 * The document after the update; the one given is not changed.
 *
 * @throws MongoServerError 2, 14, 28 as the server, 66 when `_id` would change.
 */
export function applyUpdate(document: BsonDocument, update: Update, context: UpdateContext): BsonDocument {
  const id = document["_id"];
  let updated: BsonDocument;
  if (update.kind === "replacement") updated = replace(id, update.document);
  else {
    updated = copyValue(document);
    for (const { parts, change, path } of update.changes) {
      if (change.op === "$setOnInsert" && !context.inserting) continue;
      applyChange(updated, parts, change, path, context);
    }
  }
  if (id !== undefined && (updated["_id"] === undefined || !equalValues(updated["_id"], id)))
    throw serverError(
      66,
      "ImmutableField",
      "Performing an update on the path '_id' would modify the immutable field '_id'",
    );
  return updated;
}

function replace(id: Value | undefined, replacement: BsonDocument): BsonDocument {
  if (replacement["_id"] !== undefined || id === undefined) return copyValue(replacement);
  return { _id: id, ...copyValue(replacement) };
}

function applyChange(
  document: BsonDocument,
  parts: readonly string[],
  change: Change,
  path: string,
  context: UpdateContext,
): void {
  if (change.op === "$unset" || change.op === "$pull") {
    const place = findPlace(document, parts);
    if (!place) return;
    if (change.op === "$unset") remove(place);
    else write(place, pull(read(place) as Value, change.removes));
    return;
  }
  const place = makePlace(document, parts);
  const current = read(place);
  const next = nextValue(current, change, path, document, context);
  if (next !== undefined) write(place, next);
}

/** The new value at a place; undefined leaves it. */
function nextValue(
  current: Value | undefined,
  change: Exclude<Change, { op: "$unset" | "$pull" }>,
  path: string,
  document: BsonDocument,
  context: UpdateContext,
): Value | undefined {
  switch (change.op) {
    case "$set":
    case "$setOnInsert":
      return copyValue(change.value);
    case "$min":
      return current === undefined || compareValues(change.value, current) < 0 ? copyValue(change.value) : undefined;
    case "$max":
      return current === undefined || compareValues(change.value, current) > 0 ? copyValue(change.value) : undefined;
    case "$inc":
      return current === undefined ? change.by : increment(current, change.by, path);
    case "$currentDate":
      return new Date(context.now);
    case "$push": {
      const array = arrayAt(
        current,
        (type) => `The field '${path}' must be an array but is of type ${type} in document {_id: ${idText(document)}}`,
      );
      return sliced([...array, ...copyValue(change.values)], change.slice);
    }
    case "$addToSet": {
      const array = [
        ...arrayAt(
          current,
          (type) => `Cannot apply $addToSet to non-array field. Field named '${path}' has non-array type ${type}`,
        ),
      ];
      for (const value of change.values)
        if (!array.some((element) => equalValues(element, value))) array.push(copyValue(value));
      return array;
    }
  }
}

function increment(current: Value, by: number, path: string): number {
  if (typeof current !== "number")
    throw typeMismatch(
      `Cannot apply $inc to a value of non-numeric type. The field '${path}' has the non-numeric type ${typeOf(current)}`,
    );
  const sum = current + by;
  // The server would go on exactly, in 64-bit integers.
  if (Number.isSafeInteger(current) && Number.isSafeInteger(by) && !Number.isSafeInteger(sum))
    refuse(`$inc beyond 2^53 (field ${path})`);
  return sum;
}

function arrayAt(current: Value | undefined, message: (type: string) => string): Value[] {
  if (current === undefined) return [];
  if (!Array.isArray(current)) throw badValue(message(typeOf(current)));
  return current;
}

/** `$slice`: the first n elements, or the last n when negative. */
function sliced(array: Value[], slice: number | undefined): Value[] {
  if (slice === undefined) return array;
  return slice >= 0 ? array.slice(0, slice) : array.slice(slice);
}

function pull(current: Value, removes: (element: Value) => boolean): Value[] {
  if (!Array.isArray(current)) throw badValue("Cannot apply $pull to a non-array value");
  return current.filter((element) => !removes(element));
}

const idText = (document: BsonDocument): string => String(document["_id"]);

/** A place that an upsert fills from the filter. */
export function setField(document: BsonDocument, parts: readonly string[], value: Value): void {
  const place: Place = makePlace(document, parts);
  write(place, copyValue(value));
}
