import mongodb from "mongodb";
import { BatchedQuery } from "./batched-query.ts";
import { equalValues } from "./bson-order.ts";
import type { BsonDocument, Value } from "./bson-value.ts";
import { bulkWrite, parseOperations, throwWriteErrors } from "./bulk.ts";
import type { CollectionEntry } from "./catalog.ts";
import {
  checkReplacementShape,
  checkUpdateOptions,
  checkUpdateShape,
  findAndModify,
  insert,
  parseReplacement,
  parseUpdate,
  remove,
  storedDocument,
  type UpdateCounts,
  update,
} from "./commands.ts";
import { createIndex, describeIndex, dropIndex, ID_INDEX_DESCRIPTION, parseIndex } from "./create-index.ts";
import { type CursorSource, EmbeddedCursor, sourceOf } from "./cursor.ts";
import type { EmbeddedDb } from "./embedded-db.ts";
import { badValue, refuse, serverError } from "./errors.ts";
import { isPlainObject } from "./filter-operand.ts";
import { checkOptions, countOption, type Options } from "./options.ts";
import { isEmptyFilter, parseFilter } from "./parse-filter.ts";
import { keysAtPath } from "./path.ts";
import { parseProjection } from "./projection.ts";
import { methodsOf, refuseRest } from "./refuse-rest.ts";
import { type Query, scan } from "./scan.ts";
import { parseSort } from "./sort.ts";
import type { StoreFile } from "./store-file.ts";

/** The look-alike of the driver's Collection: what mongoose calls. Every other method of the driver's refuses by name. */
export class EmbeddedCollection {
  readonly db: EmbeddedDb;
  readonly collectionName: string;
  readonly namespace: string;
  readonly #file: StoreFile;

  constructor(db: EmbeddedDb, name: string, file: StoreFile) {
    this.db = db;
    this.collectionName = name;
    this.namespace = `${db.databaseName}.${name}`;
    this.#file = file;
  }

  get dbName(): string {
    return this.db.databaseName;
  }

  get #target() {
    return { file: this.#file, namespace: this.namespace };
  }

  #read<T>(missing: T, work: (entry: CollectionEntry) => T): T {
    return this.#file.read(() => {
      const entry = this.#file.catalog.find(this.namespace);
      return entry ? work(entry) : missing;
    });
  }

  #query(filter: unknown, options: Options): Query {
    return {
      filter: parseFilter(filter),
      sort: parseSort(options["sort"]),
      skip: countOption(options, "skip"),
      limit: countOption(options, "limit"),
    };
  }

  find(filter: unknown = {}, options?: Options): EmbeddedCursor {
    const open = (filterNow: unknown, optionsNow: Options): CursorSource<BsonDocument> => {
      checkOptions(optionsNow);
      const project = parseProjection(optionsNow["projection"]);
      const query = new BatchedQuery(this.#file, this.namespace, this.#query(filterNow, optionsNow));
      if (!project) return query;
      return { all: () => query.all().map(project), next: (size) => query.next(size).map(project) };
    };
    return new EmbeddedCursor(open, filter, checkOptions(options));
  }

  async findOne(filter: unknown = {}, options?: Options): Promise<BsonDocument | null> {
    const project = parseProjection(checkOptions(options)["projection"]);
    const query = { ...this.#query(filter, options ?? {}), limit: 1 };
    return this.#read<BsonDocument | null>(null, (entry) => {
      for (const { document } of scan(this.#file, entry, query)) return project ? project(document) : document;
      return null;
    });
  }

  async countDocuments(filter: unknown = {}, options?: Options): Promise<number> {
    const query = this.#query(filter, checkOptions(options, ["sort"]));
    if (isEmptyFilter(query.filter) && query.skip === 0 && query.limit === 0) return this.#countAll();
    return this.#read(0, (entry) => {
      let count = 0;
      for (const _ of scan(this.#file, entry, query)) count++;
      return count;
    });
  }

  #countAll(): number {
    return this.#read(0, ({ table }) =>
      Number(this.#file.statement(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]),
    );
  }

  async estimatedDocumentCount(options?: Options): Promise<number> {
    checkOptions(options);
    return this.#countAll();
  }

  async distinct(path: string, filter: unknown = {}, options?: Options): Promise<Value[]> {
    checkOptions(options);
    if (typeof path !== "string" || path === "")
      throw badValue("the key of distinct must be a string that is not empty");
    const parts = path.split(".");
    if (parts.some((part) => part.startsWith("$"))) refuse(`distinct of the path ${path}`);
    const query = { filter: parseFilter(filter), sort: [], skip: 0, limit: 0 };
    return this.#read<Value[]>([], (entry) => {
      const found = new DistinctValues();
      for (const { document } of scan(this.#file, entry, query)) found.add(keysAtPath(document, parts).keys);
      return found.values;
    });
  }

  async insertOne(document: unknown, options?: Options) {
    checkOptions(options);
    const stored = storedDocument(document);
    await this.#file.commit(() => insert(this.#target, stored));
    return { acknowledged: true, insertedId: (document as { _id: unknown })._id }; // storedDocument has seen to it.
  }

  async insertMany(documents: unknown, options?: Options) {
    if (!Array.isArray(documents))
      throw new mongodb.MongoInvalidArgumentError('Argument "docs" must be an array of documents');
    const operations = documents.map((document) => ({ insertOne: { document } }));
    const { insertedCount, insertedIds } = await this.bulkWrite(operations, options);
    return { acknowledged: true, insertedCount, insertedIds };
  }

  async bulkWrite(operations: unknown, options?: Options): Promise<mongodb.BulkWriteResult> {
    checkOptions(options);
    const parsed = parseOperations(operations);
    return throwWriteErrors(
      await this.#file.commit(() => bulkWrite(this.#target, parsed, options?.["ordered"] !== false)),
    );
  }

  async updateOne(filter: unknown, change: unknown, options?: Options) {
    checkUpdateShape(change);
    return this.#update(filter, () => parseUpdate(change), false, options);
  }

  async updateMany(filter: unknown, change: unknown, options?: Options) {
    checkUpdateShape(change);
    return this.#update(filter, () => parseUpdate(change), true, options);
  }

  async replaceOne(filter: unknown, replacement: unknown, options?: Options) {
    checkReplacementShape(replacement);
    return this.#update(filter, () => parseReplacement(replacement), false, options);
  }

  async #update(
    filter: unknown,
    parse: () => ReturnType<typeof parseUpdate>,
    multi: boolean,
    options: Options | undefined,
  ) {
    const upsert = checkUpdateOptions(options)["upsert"] === true;
    const change = parse();
    const counts: UpdateCounts = await this.#file.commit(() => update(this.#target, filter, change, { multi, upsert }));
    return {
      acknowledged: true,
      matchedCount: counts.matched,
      modifiedCount: counts.modified,
      upsertedCount: counts.upserted ? 1 : 0,
      upsertedId: counts.upserted ? counts.upserted["_id"] : null,
    };
  }

  async deleteOne(filter: unknown = {}, options?: Options) {
    checkOptions(options);
    return { acknowledged: true, deletedCount: await this.#file.commit(() => remove(this.#target, filter, false)) };
  }

  async deleteMany(filter: unknown = {}, options?: Options) {
    checkOptions(options);
    return { acknowledged: true, deletedCount: await this.#file.commit(() => remove(this.#target, filter, true)) };
  }

  async findOneAndUpdate(filter: unknown, change: unknown, options?: Options) {
    checkUpdateShape(change);
    return this.#findAndModify(filter, () => parseUpdate(change), options);
  }

  async findOneAndReplace(filter: unknown, replacement: unknown, options?: Options) {
    checkReplacementShape(replacement);
    return this.#findAndModify(filter, () => parseReplacement(replacement), options);
  }

  async findOneAndDelete(filter: unknown, options?: Options) {
    return this.#findAndModify(filter, undefined, options);
  }

  async #findAndModify(filter: unknown, parse: (() => ReturnType<typeof parseUpdate>) | undefined, options?: Options) {
    const checked = checkOptions(options);
    const change = parse?.();
    const result = await this.#file.commit(() => findAndModify(this.#target, filter, change, checked));
    return checked["includeResultMetadata"] === true ? result : result.value;
  }

  async createIndex(key: unknown, options: Options = {}): Promise<string> {
    checkOptions({ ...options, expireAfterSeconds: undefined, collation: undefined });
    const spec = parseIndex(key, options);
    return this.#file.write(() => createIndex(this.#file, this.#file.catalog.ensure(this.namespace), spec));
  }

  async createIndexes(specs: unknown, options?: Options): Promise<string[]> {
    checkOptions(options);
    if (!Array.isArray(specs)) throw badValue("createIndexes takes an array of index specifications");
    const parsed = specs.map((spec) => {
      if (!isPlainObject(spec)) throw badValue("an index specification must be an object");
      const { key, ...rest } = spec;
      return parseIndex(key, rest);
    });
    return this.#file.write(() => {
      const entry = this.#file.catalog.ensure(this.namespace);
      return parsed.map((spec) => createIndex(this.#file, entry, spec));
    });
  }

  async dropIndex(name: unknown, options?: Options) {
    checkOptions(options);
    if (typeof name !== "string") refuse("dropIndex by key");
    if (name === "*") return this.dropIndexes();
    this.#file.write(() => dropIndex(this.#file, this.#existing(), name));
    return { ok: 1 };
  }

  async dropIndexes(options?: Options): Promise<boolean> {
    checkOptions(options);
    this.#file.write(() => {
      const entry = this.#existing();
      for (const { name } of entry.indexes) dropIndex(this.#file, entry, name);
    });
    return true;
  }

  #existing(): CollectionEntry {
    const entry = this.#file.catalog.find(this.namespace);
    if (!entry) throw serverError(26, "NamespaceNotFound", `ns does not exist: ${this.namespace}`);
    return entry;
  }

  listIndexes(options?: Options): EmbeddedCursor<Record<string, unknown>> {
    checkOptions(options);
    const list = () =>
      this.#file.read(() => [{ ...ID_INDEX_DESCRIPTION }, ...this.#existing().indexes.map(describeIndex)]);
    return new EmbeddedCursor<Record<string, unknown>>(() => sourceOf(list), {}, {});
  }

  async indexes(): Promise<Record<string, unknown>[]> {
    return this.listIndexes().toArray();
  }

  async indexExists(names: string | string[]): Promise<boolean> {
    const known = (await this.indexes()).map(({ name }) => name);
    return [names].flat().every((name) => known.includes(name));
  }

  async indexInformation(): Promise<Record<string, [string, unknown][]>> {
    const indexes = await this.indexes();
    return Object.fromEntries(indexes.map(({ name, key }) => [String(name), Object.entries(key as object)])); // Made by describeIndex.
  }

  async drop(): Promise<boolean> {
    return this.db.dropCollection(this.collectionName);
  }

  async options(): Promise<Options> {
    return {};
  }

  async isCapped(): Promise<boolean> {
    return false;
  }

  aggregate(pipeline: unknown): never {
    const [stage] = Array.isArray(pipeline) ? pipeline : [];
    return refuse(`aggregate: ${isPlainObject(stage) ? Object.keys(stage)[0] : "an empty pipeline"}`);
  }
}

/** Values once each, in the order of their first appearance. */
class DistinctValues {
  readonly values: Value[] = [];
  readonly #scalars = new Set<unknown>();

  add(keys: (Value | undefined)[]): void {
    for (const key of keys) {
      if (key === undefined) continue;
      // Most values are scalars that a Set tells apart; the others are compared one by one.
      const scalar = typeof key === "object" && key !== null ? undefined : key;
      if (scalar !== undefined) {
        if (this.#scalars.has(scalar)) continue;
        this.#scalars.add(scalar);
      } else if (this.values.some((value) => equalValues(value, key))) continue;
      this.values.push(key);
    }
  }
}

/** The driver's methods that the store has; `aggregate` is there to name the stage that it refuses. */
export const COLLECTION_METHODS = methodsOf(mongodb.Collection).filter(
  (method) => method in EmbeddedCollection.prototype && method !== "aggregate",
);

/** Methods that the driver calls without a promise. */
const SYNCHRONOUS = new Set(["watch", "initializeOrderedBulkOp", "initializeUnorderedBulkOp", "listSearchIndexes"]);

refuseRest(EmbeddedCollection, mongodb.Collection, (method) => !SYNCHRONOUS.has(method));
