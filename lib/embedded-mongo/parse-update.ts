import { equalValues } from "./bson-order.ts";
import { type BsonDocument, typeOf, type Value } from "./bson-value.ts";
import { badValue, failedToParse, refuse, serverError, typeMismatch } from "./errors.ts";
import { isPlainObject } from "./filter-operand.ts";
import { compileFilter, compilePullTests, type Predicate } from "./match.ts";
import { normalise } from "./normalise.ts";
import { isOperators, parseFilter, parseOperators } from "./parse-filter.ts";
import { compileRegExp } from "./regular-expression.ts";
import { comparePaths, parseUpdatePath } from "./update-path.ts";

/** One change of one path. */
export type Change =
  | { op: "$set" | "$setOnInsert" | "$min" | "$max"; value: Value }
  | { op: "$inc"; by: number }
  | { op: "$unset" }
  | { op: "$currentDate" }
  | { op: "$push"; values: Value[]; slice?: number }
  | { op: "$addToSet"; values: Value[] }
  | { op: "$pull"; removes: Predicate };

export interface PathChange {
  path: string;
  parts: readonly string[];
  change: Change;
}

/** A checked update: changes in the order that the server applies them, or a replacement. */
export type Update = { kind: "operators"; changes: PathChange[] } | { kind: "replacement"; document: BsonDocument };

export const UPDATE_OPERATORS = [
  "$set",
  "$setOnInsert",
  "$unset",
  "$inc",
  "$min",
  "$max",
  "$currentDate",
  "$push",
  "$addToSet",
  "$pull",
  "$pullAll",
] as const;
type UpdateOperator = (typeof UPDATE_OPERATORS)[number];

/** Operators that MongoDB has or had and this store refuses by name. */
export const REFUSED_UPDATE_OPERATORS: ReadonlySet<string> = new Set([
  "$rename",
  "$mul",
  "$pop",
  "$bit",
  "$pushAll",
  "$isolated",
]);

/** What `$push` and `$addToSet` take beside a value. */
export const ARRAY_MODIFIERS = { $push: ["$each", "$slice"], $addToSet: ["$each"] } as const;
export const REFUSED_ARRAY_MODIFIERS: ReadonlySet<string> = new Set(["$sort", "$position"]);

/**
 * Checks `{ $set: …, $inc: … }`.
 *
 * @throws MongoServerError as the server: 9, 14, 40, 52, 56; 115 naming what is not supported.
 */
export function parseOperatorUpdate(update: unknown): Update {
  if (Array.isArray(update)) refuse("an update by an aggregation pipeline");
  if (!isPlainObject(update)) throw failedToParse("Update argument must be an object");
  const changes: PathChange[] = [];
  for (const [operator, fields] of Object.entries(update)) {
    if (!operator.startsWith("$"))
      throw failedToParse(`Unknown modifier: ${operator}. Expected a valid update modifier`);
    if (REFUSED_UPDATE_OPERATORS.has(operator)) refuse(operator);
    if (!isUpdateOperator(operator)) throw unknownModifier(operator);
    if (!isPlainObject(fields))
      throw failedToParse(`Modifiers operate on fields but we found another type for ${operator}`);
    for (const [path, operand] of Object.entries(fields)) {
      const parts = parseUpdatePath(path);
      changes.push({ path, parts, change: parseChange(operator, path, operand) });
    }
  }
  refuseConflicts(changes);
  return { kind: "operators", changes: changes.sort((a, b) => comparePaths(a.parts, b.parts)) };
}

const isUpdateOperator = (name: string): name is UpdateOperator =>
  (UPDATE_OPERATORS as readonly string[]).includes(name);

const unknownModifier = (operator: string) =>
  failedToParse(
    `Unknown modifier: ${operator}. Expected a valid update modifier or pipeline-style update specified as an array`,
  );

function refuseConflicts(changes: PathChange[]): void {
  const seen = new Map<string, boolean>();
  for (const { path, parts } of changes) {
    const conflict = (at: string) =>
      serverError(40, "ConflictingUpdateOperators", `Updating the path '${path}' would create a conflict at '${at}'`);
    // The map holds every prefix; true marks the end of a changed path.
    if (seen.has(path)) throw conflict(path);
    for (let i = 1; i < parts.length; i++) {
      const prefix = parts.slice(0, i).join(".");
      if (seen.get(prefix)) throw conflict(prefix);
      seen.set(prefix, false);
    }
    seen.set(path, true);
  }
}

function parseChange(operator: UpdateOperator, path: string, operand: unknown): Change {
  switch (operator) {
    case "$set":
    case "$setOnInsert":
    case "$min":
    case "$max":
      return { op: operator, value: storable(operand) };
    case "$unset":
      return { op: "$unset" };
    case "$inc": {
      const by = normalise(operand);
      if (typeof by !== "number")
        throw typeMismatch(`Cannot increment with non-numeric argument: {${path}: <${typeOf(by)}>}`);
      return { op: "$inc", by };
    }
    case "$currentDate":
      return parseCurrentDate(operand);
    case "$push":
      return parsePush(operand);
    case "$addToSet":
      return { op: "$addToSet", values: parseEach("$addToSet", operand)?.values ?? [storable(operand)] };
    case "$pull":
      return { op: "$pull", removes: parsePull(operand) };
    case "$pullAll": {
      const values = normalise(operand);
      if (!Array.isArray(values))
        throw badValue(`$pullAll requires an array argument but was given a ${typeOf(values)}`);
      return { op: "$pull", removes: (element) => values.some((value) => equalValues(value, element)) };
    }
  }
}

/** @throws MongoServerError 115 when a field begins with `$`, which queries could not address. */
export function storable(operand: unknown): Value {
  const value = normalise(operand);
  refuseDollarFields(value);
  return value;
}

export function refuseDollarFields(value: Value): void {
  if (Array.isArray(value)) value.forEach(refuseDollarFields);
  else if (isPlainObject(value)) {
    for (const [key, field] of Object.entries(value)) {
      if (key.startsWith("$")) refuse(`a field name that begins with $ (${key})`);
      refuseDollarFields(field as Value);
    }
  }
}

function parseCurrentDate(operand: unknown): Change {
  if (typeof operand === "boolean") return { op: "$currentDate" };
  if (isPlainObject(operand) && Object.keys(operand).length === 1) {
    if (operand["$type"] === "date") return { op: "$currentDate" };
    if (operand["$type"] === "timestamp") refuse("$currentDate with $type timestamp");
  }
  throw badValue("$currentDate takes a boolean or { $type: 'date' }");
}

function parsePush(operand: unknown): Change {
  const modifiers = parseEach("$push", operand);
  if (!modifiers) return { op: "$push", values: [storable(operand)] };
  return { op: "$push", ...modifiers };
}

/** The modifiers of `$push` and `$addToSet`; undefined when the operand is a value. */
function parseEach(
  operator: keyof typeof ARRAY_MODIFIERS,
  operand: unknown,
): { values: Value[]; slice?: number } | undefined {
  if (!isPlainObject(operand) || !("$each" in operand)) return undefined;
  for (const name of Object.keys(operand)) {
    if (REFUSED_ARRAY_MODIFIERS.has(name)) refuse(`${name} in ${operator}`);
    if (!(ARRAY_MODIFIERS[operator] as readonly string[]).includes(name))
      throw badValue(`Unrecognized clause in ${operator}: ${name}`);
  }
  const values = storable(operand["$each"]);
  if (!Array.isArray(values))
    throw serverError(
      operator === "$push" ? 2 : 14,
      operator === "$push" ? "BadValue" : "TypeMismatch",
      `The argument to $each in ${operator} must be an array but it was of type ${typeOf(values)}`,
    );
  if (!("$slice" in operand)) return { values };
  const slice = normalise(operand["$slice"]);
  if (typeof slice !== "number" || !Number.isInteger(slice))
    throw badValue("The value for $slice must be an integer value");
  return { values, slice };
}

function parsePull(operand: unknown): Predicate {
  if (operand instanceof RegExp) return compilePullTests([{ op: "$regex", pattern: compileRegExp(operand) }]);
  if (isOperators(operand)) return compilePullTests(parseOperators(operand));
  if (isPlainObject(operand)) {
    const matches = compileFilter(parseFilter(operand));
    return (element) => isPlainObject(element) && matches(element);
  }
  const value = normalise(operand);
  return (element) => equalValues(element, value);
}
