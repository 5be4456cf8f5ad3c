import mongodb from "mongodb";
import { applyUpdate, setField } from "./apply-update.ts";
import type { BsonDocument, Value } from "./bson-value.ts";
import { serverError } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { equalitiesOf } from "./parse-filter.ts";
import type { Update } from "./parse-update.ts";
import { parseUpdatePath } from "./update-path.ts";

/**
 * The document that an upsert inserts: the filter's equalities, then the update, `_id` first.
 *
 * @throws MongoServerError 54 when the filter fixes a path twice, 111 for a path inside `_id`, and as `applyUpdate`.
 */
export function upsertedDocument(filter: Filter, update: Update, now: Date): BsonDocument {
  const equalities = equalitiesOf(filter);
  const seed: BsonDocument = {};
  if (update.kind === "replacement") {
    const id = equalities.find(([path]) => path === "_id");
    if (id) seed["_id"] = id[1];
  } else {
    refuseTwice(equalities.map(([path]) => path));
    for (const [path, value] of equalities) setField(seed, parseUpdatePath(path), value);
  }
  return withIdFirst(applyUpdate(seed, update, { inserting: true, now }));
}

function refuseTwice(paths: string[]): void {
  for (const [index, path] of paths.entries()) {
    if (path.startsWith("_id."))
      throw serverError(
        111,
        "NotExactValueField",
        `field at '_id' must be exactly specified, field at sub-path '${path}' found`,
      );
    const other = paths.find(
      (known, at) => at < index && (known === path || known.startsWith(`${path}.`) || path.startsWith(`${known}.`)),
    );
    if (other !== undefined)
      throw serverError(54, "NotSingleValueField", `cannot infer query fields to set, path '${path}' is matched twice`);
  }
}

/** As the server stores it: `_id` is the first field, and an ObjectId when there is none. */
export function withIdFirst(document: BsonDocument): BsonDocument {
  const id: Value = document["_id"] === undefined ? new mongodb.ObjectId() : document["_id"];
  return Object.keys(document)[0] === "_id" ? document : { _id: id, ...withoutId(document) };
}

function withoutId({ _id, ...rest }: BsonDocument): BsonDocument {
  return rest;
}
