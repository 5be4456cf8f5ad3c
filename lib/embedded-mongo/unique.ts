import { compareValues, equalValues } from "./bson-order.ts";
import type { BsonDocument, Value } from "./bson-value.ts";
import type { CollectionEntry, IndexEntry } from "./catalog.ts";
import { refuse, serverError } from "./errors.ts";
import type { Filter } from "./filter.ts";
import { compileFilter } from "./match.ts";
import { parseFilter } from "./parse-filter.ts";
import { keysAtPath } from "./path.ts";
import { scan } from "./scan.ts";
import type { StoreFile } from "./store-file.ts";

/**
 * The key under which a unique index holds a document; undefined when it does not (sparse, partial). Missing and
 * null are the same key.
 *
 * @throws MongoServerError 115 for an array in the key.
 */
export function uniqueKeyOf(index: IndexEntry, document: BsonDocument): Value[] | undefined {
  if (index.partialFilterExpression && !compileFilter(parseFilter(index.partialFilterExpression))(document))
    return undefined;
  let present = false;
  const key = index.key.map(({ parts }) => {
    const { keys, arrayAt } = keysAtPath(document, parts);
    if (arrayAt > 0) refuse(`a unique index over an array (${index.name})`);
    if (keys[0] !== undefined) present = true;
    return keys[0] ?? null;
  });
  return index.sparse && !present ? undefined : key;
}

/**
 * Looks for another document under the same key. SQL only narrows down; keys are compared as BSON, so that neither
 * `true` and 1 nor a document and its text collide.
 *
 * @param row the document's own row, when it is stored already.
 * @throws MongoServerError 11000 DuplicateKey with keyPattern and keyValue.
 */
export function checkUnique(file: StoreFile, entry: CollectionEntry, document: BsonDocument, row?: number): void {
  for (const index of entry.indexes) {
    if (!index.unique) continue;
    const key = uniqueKeyOf(index, document);
    if (key === undefined) continue;
    const filter: Filter = {
      kind: "and",
      parts: index.key.map(({ path, parts }, i) => ({
        kind: "field",
        path,
        parts,
        tests: [{ op: "$eq", value: key[i] as Value }],
      })),
    };
    for (const other of scan(file, entry, { filter, sort: [], skip: 0, limit: 0 })) {
      if (other.r === row) continue;
      const otherKey = uniqueKeyOf(index, other.document);
      if (otherKey?.every((value, i) => equalValues(value, key[i] as Value)))
        throw duplicateKey(entry, index, document);
    }
  }
}

/** @throws MongoServerError 11000 when documents that are stored already share a key. */
export function checkExisting(entry: CollectionEntry, index: IndexEntry, documents: Iterable<BsonDocument>): void {
  const held: { key: Value[]; document: BsonDocument }[] = [];
  for (const document of documents) {
    const key = uniqueKeyOf(index, document);
    if (key !== undefined) held.push({ key, document });
  }
  held.sort((a, b) => compareValues(a.key, b.key));
  for (const [i, { key, document }] of held.entries()) {
    const previous = held[i - 1];
    if (previous && equalValues(previous.key, key)) throw duplicateKey(entry, index, document);
  }
}

export function duplicateKey(
  entry: CollectionEntry,
  index: Pick<IndexEntry, "name" | "key">,
  document: BsonDocument,
): Error {
  const pairs = index.key.map(({ path, parts }): [string, Value] => [
    path,
    keysAtPath(document, parts).keys[0] ?? null,
  ]);
  const text = pairs.map(([path, value]) => `${path}: ${keyText(value)}`).join(", ");
  return serverError(
    11000,
    "DuplicateKey",
    `E11000 duplicate key error collection: ${entry.namespace} index: ${index.name} dup key: { ${text} }`,
    {
      index: 0,
      keyPattern: Object.fromEntries(index.key.map(({ path, direction }) => [path, direction])),
      keyValue: Object.fromEntries(pairs),
    },
  );
}

function keyText(value: Value): string {
  if (value instanceof Date) return `new Date(${value.getTime()})`;
  if (typeof value === "object" && value !== null && "_bsontype" in value && value["_bsontype"] === "ObjectId")
    return `ObjectId('${value}')`;
  return JSON.stringify(value);
}
