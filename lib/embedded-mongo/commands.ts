import mongodb from "mongodb";
import type { BsonDocument } from "./bson-value.ts";
import type { CollectionEntry } from "./catalog.ts";
import { isPlainObject } from "./filter-operand.ts";
import { normaliseDocument } from "./normalise.ts";
import { checkOptions, type Options } from "./options.ts";
import { parseFilter } from "./parse-filter.ts";
import { parseOperatorUpdate, refuseDollarFields, type Update } from "./parse-update.ts";
import { parseProjection } from "./projection.ts";
import { parseSort } from "./sort.ts";
import type { StoreFile } from "./store-file.ts";
import { withIdFirst } from "./upsert.ts";
import { CollectionWriter } from "./write.ts";

/** Where a write command works; to be used inside a write transaction. */
export interface Target {
  file: StoreFile;
  namespace: string;
}

export interface UpdateCounts {
  matched: number;
  modified: number;
  /** The document that an upsert inserted. */
  upserted?: BsonDocument;
}

/** Gives the caller's document an `_id`, as the driver does, and returns what is to be stored. */
export function storedDocument(document: unknown): BsonDocument {
  if (typeof document === "object" && document !== null && !("_id" in document && document._id != null))
    (document as Record<string, unknown>)["_id"] = new mongodb.ObjectId(); // The driver writes into it, too.
  const normalised = normaliseDocument(document, "the document to insert");
  refuseDollarFields(normalised);
  return withIdFirst(normalised);
}

export function insert({ file, namespace }: Target, document: BsonDocument): void {
  new CollectionWriter(file, file.catalog.ensure(namespace)).insert(document);
}

/** Refusals of the driver itself, before a command is sent. @throws MongoInvalidArgumentError */
export function checkUpdateShape(update: unknown): void {
  const operators = Array.isArray(update)
    ? update.length > 0
    : typeof update === "object" && update !== null && Object.keys(update)[0]?.startsWith("$");
  if (!operators) throw new mongodb.MongoInvalidArgumentError("Update document requires atomic operators");
}

/** As `checkUpdateShape`, for replacements. */
export function checkReplacementShape(replacement: unknown): void {
  if (isPlainObject(replacement) && Object.keys(replacement)[0]?.startsWith("$"))
    throw new mongodb.MongoInvalidArgumentError("Replacement document must not contain atomic operators");
}

export function parseReplacement(replacement: unknown): Update {
  const document = normaliseDocument(replacement, "the replacement");
  refuseDollarFields(document);
  return { kind: "replacement", document: "_id" in document ? withIdFirst(document) : document };
}

export const parseUpdate = (update: unknown): Update => parseOperatorUpdate(update);

/** updateOne, updateMany, replaceOne. */
export function update(
  target: Target,
  filter: unknown,
  change: Update,
  { multi, upsert }: { multi: boolean; upsert: boolean },
): UpdateCounts {
  const { file, namespace } = target;
  const query = { filter: parseFilter(filter), sort: [], skip: 0, limit: multi ? 0 : 1 };
  const entry = upsert ? file.catalog.ensure(namespace) : file.catalog.find(namespace);
  if (!entry) return { matched: 0, modified: 0 };
  const writer = new CollectionWriter(file, entry);
  const rows = writer.rows(query);
  const now = new Date();
  if (rows.length === 0 && upsert) return { matched: 0, modified: 0, upserted: writer.upsert(query, change, now) };
  let modified = 0;
  for (const row of rows) if (writer.update(row, change, now).changed) modified++;
  return { matched: rows.length, modified };
}

/** deleteOne, deleteMany. */
export function remove({ file, namespace }: Target, filter: unknown, multi: boolean): number {
  const query = { filter: parseFilter(filter), sort: [], skip: 0, limit: multi ? 0 : 1 };
  const entry = file.catalog.find(namespace);
  if (!entry) return 0;
  const writer = new CollectionWriter(file, entry);
  const rows = writer.rows(query);
  for (const row of rows) writer.delete(row);
  return rows.length;
}

export interface FindAndModifyResult {
  value: BsonDocument | null;
  lastErrorObject: { n: number; updatedExisting?: boolean; upserted?: unknown };
  ok: 1;
}

/** findOneAndUpdate, findOneAndReplace; findOneAndDelete when there is no change. */
export function findAndModify(
  { file, namespace }: Target,
  filter: unknown,
  change: Update | undefined,
  options: Options,
): FindAndModifyResult {
  const query = { filter: parseFilter(filter), sort: parseSort(options["sort"]), skip: 0, limit: 1 };
  const project = parseProjection(options["projection"]) ?? ((document: BsonDocument) => document);
  const upsert = change !== undefined && options["upsert"] === true;
  const after = options["returnDocument"] === "after";
  const entry: CollectionEntry | undefined = upsert ? file.catalog.ensure(namespace) : file.catalog.find(namespace);
  const writer = entry && new CollectionWriter(file, entry);
  const [row] = writer?.rows(query) ?? [];
  const now = new Date();
  if (writer && row) {
    if (!change) {
      writer.delete(row);
      return { value: project(row.document), lastErrorObject: { n: 1 }, ok: 1 };
    }
    const updated = writer.update(row, change, now).after;
    return {
      value: project(after ? updated : row.document),
      lastErrorObject: { n: 1, updatedExisting: true },
      ok: 1,
    };
  }
  if (!writer || !upsert || !change)
    return { value: null, lastErrorObject: change ? { n: 0, updatedExisting: false } : { n: 0 }, ok: 1 };
  const upserted = writer.upsert(query, change, now);
  return {
    value: after ? project(upserted) : null,
    lastErrorObject: { n: 1, updatedExisting: false, upserted: upserted["_id"] },
    ok: 1,
  };
}

/** Options of the single updates that MongoDB has from version 8 on only. */
export const checkUpdateOptions = (options: Options | undefined): Options => checkOptions(options, ["sort"]);
