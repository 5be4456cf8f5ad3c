import type { BsonDocument } from "./bson-value.ts";
import type { CollectionEntry, IndexEntry } from "./catalog.ts";
import { badValue, refuse, serverError } from "./errors.ts";
import type { FieldTest, Filter } from "./filter.ts";
import { isPlainObject } from "./filter-operand.ts";
import { refuseParallelArrays } from "./index-rules.ts";
import { normaliseDocument } from "./normalise.ts";
import { parseFilter } from "./parse-filter.ts";
import { encodeRow } from "./row-codec.ts";
import { scan } from "./scan.ts";
import type { SortField } from "./sort.ts";
import { isPlainPath, pathExpression } from "./sql.ts";
import type { StoreFile } from "./store-file.ts";
import { checkExisting } from "./unique.ts";
import { kindsOf } from "./value-kinds.ts";

/** Indexes of one collection (https://www.mongodb.com/docs/manual/reference/limits/). */
export const INDEXES_MAX = 64;
const EXPIRE_SECONDS_MAX = 2_147_483_647;

/** Options that change what an index means; what is not named here the driver ignores, too. */
export const REFUSED_INDEX_OPTIONS: readonly string[] =
  "collation weights default_language language_override textIndexVersion 2dsphereIndexVersion bits min max bucketSize wildcardProjection hidden storageEngine prepareUnique clustered".split(
    " ",
  );

export type IndexSpec = Omit<IndexEntry, "id">;

/** Checks an index specification. @throws MongoServerError 67 CannotCreateIndex, 115, as the server. */
export function parseIndex(key: unknown, options: Record<string, unknown>): IndexSpec {
  for (const option of REFUSED_INDEX_OPTIONS)
    if (options[option] !== undefined && options[option] !== null && options[option] !== false)
      refuse(`the index option ${option}`);
  const fields = parseKey(key);
  const name = options["name"] ?? fields.map(({ path, direction }) => `${path}_${direction}`).join("_");
  if (typeof name !== "string" || name === "") throw cannotCreate("the index name must be a string that is not empty");
  const spec: IndexSpec = {
    name,
    key: fields,
    unique: isOn(options["unique"]),
    sparse: isOn(options["sparse"]),
    ...parseExpiry(options["expireAfterSeconds"], fields),
  };
  const partial = options["partialFilterExpression"];
  if (partial === undefined) return spec;
  if (spec.sparse) throw cannotCreate("cannot mix 'partialFilterExpression' and 'sparse' options");
  refuseInPartial(parseFilter(partial));
  return { ...spec, partialFilterExpression: normaliseDocument(partial, "partialFilterExpression") };
}

const isOn = (option: unknown): boolean => option === true || (typeof option === "number" && option !== 0);

const cannotCreate = (message: string) => serverError(67, "CannotCreateIndex", message);

function parseKey(key: unknown): SortField[] {
  const entries = keyEntries(key);
  if (entries.length === 0) throw cannotCreate("Index keys cannot be an empty object");
  return entries.map(([path, direction]) => {
    if (typeof direction === "string") refuse(`a ${direction} index`);
    if (typeof direction !== "number" || direction === 0 || Number.isNaN(direction))
      throw cannotCreate(`Values in the index key pattern cannot be ${String(direction)}`);
    if (direction !== 1 && direction !== -1) refuse(`the index direction ${direction}`);
    if (path.includes("$")) refuse(`an index on the path ${path}`);
    if (!isPlainPath(path)) refuse(`an index on the path ${JSON.stringify(path)}`);
    return { path, parts: path.split("."), direction };
  });
}

/** `{ a: 1 }`, `"a"`, `["a", "b"]`, `[["a", 1]]`, a Map. */
function keyEntries(key: unknown): [string, unknown][] {
  if (typeof key === "string") return [[key, 1]];
  if (key instanceof Map) return [...key].map(([path, direction]) => [String(path), direction]);
  if (Array.isArray(key)) {
    if (key.length === 2 && typeof key[0] === "string" && typeof key[1] === "number") return [[key[0], key[1]]];
    return key.flatMap(keyEntries);
  }
  if (isPlainObject(key)) return Object.entries(key);
  throw badValue("the index key must be an object");
}

function parseExpiry(seconds: unknown, key: SortField[]): { expireAfterSeconds?: number } {
  if (seconds === undefined || seconds === null) return {};
  if (typeof seconds !== "number" || !(seconds >= 0 && seconds <= EXPIRE_SECONDS_MAX))
    throw cannotCreate(`TTL index 'expireAfterSeconds' must be within 0 to ${EXPIRE_SECONDS_MAX}`);
  if (key.length > 1) throw cannotCreate("TTL indexes are single-field indexes, compound indexes do not support TTL");
  if (key[0]?.path === "_id") throw cannotCreate("The field 'expireAfterSeconds' is not valid for an _id index");
  return { expireAfterSeconds: seconds };
}

/** Partial filters may hold equality, $exists: true, comparisons, $type, and $and of them. */
function refuseInPartial(filter: Filter): void {
  if (filter.kind === "field") {
    for (const { op } of filter.tests)
      if (!PARTIAL_TESTS.has(op)) throw cannotCreate(`unsupported expression in partial index: ${filter.path} ${op}`);
    return;
  }
  if (filter.kind !== "and") throw cannotCreate(`unsupported expression in partial index: $${filter.kind}`);
  filter.parts.forEach(refuseInPartial);
}

const PARTIAL_TESTS = new Set<FieldTest["op"]>(["$eq", "$exists", "$gt", "$gte", "$lt", "$lte", "$type"]);

/**
 * Makes the index unless it is there, and returns its name.
 *
 * @throws MongoServerError 85 and 86 for conflicts with other indexes, 11000 for documents that share a key.
 */
export function createIndex(file: StoreFile, entry: CollectionEntry, spec: IndexSpec): string {
  if (spec.key.length === 1 && spec.key[0]?.path === "_id") return "_id_";
  if (isKnown(entry, spec)) return spec.name;
  if (entry.indexes.length + 1 >= INDEXES_MAX)
    throw serverError(67, "CannotCreateIndex", `add index fails, too many indexes for ${entry.namespace}`);
  const index: IndexEntry = { ...spec, id: entry.nextIndexId };
  const kinds = new Map<string, number>(spec.key.map(({ path }) => [path, 0]));
  const documents: BsonDocument[] = [];
  for (const { document } of scan(file, entry, { filter: { kind: "and", parts: [] }, sort: [], skip: 0, limit: 0 })) {
    refuseParallelArrays([index], document);
    for (const { path, parts } of spec.key) kinds.set(path, (kinds.get(path) ?? 0) | kindsOf(document, parts));
    if (index.unique) documents.push(document);
  }
  checkExisting(entry, index, documents);
  const columns = spec.key.map(({ path, direction }) => pathExpression(path) + (direction === -1 ? " DESC" : ""));
  // Never UNIQUE or partial in SQLite: those rules are BSON's and stand in unique.ts; this one only finds rows.
  file.exec(`CREATE INDEX ${sqlName(entry, index)} ON ${entry.table} (${columns.join(",")})`);
  entry.indexes.push(index);
  entry.nextIndexId++;
  for (const [path, held] of kinds) entry.kinds.set(path, (entry.kinds.get(path) ?? 0) | held);
  file.catalog.save(entry);
  return spec.name;
}

const sqlName = (entry: CollectionEntry, index: IndexEntry): string => `${entry.table}_i${index.id}`;

/** As the server's IndexCatalogImpl: first by name, then by key and the options that tell indexes apart. */
function isKnown(entry: CollectionEntry, spec: IndexSpec): boolean {
  const sameName = entry.indexes.find(({ name }) => name === spec.name);
  if (sameName) {
    if (signature(sameName, true) === signature(spec, true)) return true;
    throw serverError(
      86,
      "IndexKeySpecsConflict",
      `An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Requested index: ${signature(spec, true)}, existing index: ${signature(sameName, true)}`,
    );
  }
  const sameKey = entry.indexes.find((index) => signature(index, false) === signature(spec, false));
  if (sameKey)
    throw serverError(85, "IndexOptionsConflict", `Index already exists with a different name: ${sameKey.name}`);
  return false;
}

function signature(spec: IndexSpec, withExpiry: boolean): string {
  const { key, unique, sparse, partialFilterExpression, expireAfterSeconds } = spec;
  return JSON.stringify({
    key: key.map(({ path, direction }) => [path, direction]),
    unique,
    sparse,
    partialFilterExpression: partialFilterExpression && encodeRow(partialFilterExpression),
    expireAfterSeconds: withExpiry ? expireAfterSeconds : undefined,
  });
}

/** @throws MongoServerError 27 IndexNotFound, 72 for the index on `_id`. */
export function dropIndex(file: StoreFile, entry: CollectionEntry, name: string): void {
  if (name === "_id_") throw serverError(72, "InvalidOptions", "cannot drop _id index");
  const index = entry.indexes.find((known) => known.name === name);
  if (!index) throw serverError(27, "IndexNotFound", `index not found with name [${name}]`);
  file.exec(`DROP INDEX ${sqlName(entry, index)}`);
  entry.indexes = entry.indexes.filter((known) => known !== index);
  const paths = new Set(entry.indexes.flatMap(({ key }) => key.map(({ path }) => path)).concat("_id"));
  for (const path of entry.kinds.keys()) if (!paths.has(path)) entry.kinds.delete(path);
  file.catalog.save(entry);
}

/** As `listIndexes` returns it. */
export function describeIndex(index: IndexSpec): Record<string, unknown> {
  return {
    v: 2,
    key: Object.fromEntries(index.key.map(({ path, direction }) => [path, direction])),
    name: index.name,
    ...(index.unique ? { unique: true } : {}),
    ...(index.sparse ? { sparse: true } : {}),
    ...(index.expireAfterSeconds === undefined ? {} : { expireAfterSeconds: index.expireAfterSeconds }),
    ...(index.partialFilterExpression ? { partialFilterExpression: index.partialFilterExpression } : {}),
  };
}

export const ID_INDEX_DESCRIPTION = { v: 2, key: { _id: 1 }, name: "_id_" };
