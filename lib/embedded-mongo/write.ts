import mongodb from "mongodb";
import { applyUpdate } from "./apply-update.ts";
import type { BsonDocument, Value } from "./bson-value.ts";
import type { CollectionEntry } from "./catalog.ts";
import { serverError } from "./errors.ts";
import { refuseParallelArrays } from "./index-rules.ts";
import { normalise } from "./normalise.ts";
import type { Update } from "./parse-update.ts";
import { encodeId, encodeRow } from "./row-codec.ts";
import { type Query, type Row, scan } from "./scan.ts";
import type { StoreFile } from "./store-file.ts";
import { checkUnique, duplicateKey } from "./unique.ts";
import { upsertedDocument } from "./upsert.ts";
import { kindsOf } from "./value-kinds.ts";

/** Bytes of BSON that a document may have (https://www.mongodb.com/docs/manual/reference/limits/). */
export const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;
/** No JSON of this length is larger as BSON than DOCUMENT_BYTES_MAX: an array element costs up to 16 bytes for 2. */
const SURELY_SMALL_CHARACTERS = DOCUMENT_BYTES_MAX / 16;

/** Writes of one collection, to be called inside a write transaction. */
export class CollectionWriter {
  readonly #file: StoreFile;
  readonly #entry: CollectionEntry;

  constructor(file: StoreFile, entry: CollectionEntry) {
    this.#file = file;
    this.#entry = entry;
  }

  /** @throws MongoServerError 11000, 53 for an array as `_id`, 10334, 171 and what a unique index refuses. */
  insert(document: BsonDocument): void {
    const id = document["_id"] as Value; // The caller has made sure that there is one.
    if (Array.isArray(id)) throw serverError(53, "InvalidIdField", "The '_id' value cannot be of type array");
    const text = this.#check(document);
    const k = encodeId(id);
    if (this.#file.statement(`SELECT 1 FROM ${this.#entry.table} WHERE k=?`).get(k))
      throw duplicateKey(this.#entry, ID_INDEX, document);
    this.#file.statement(`INSERT INTO ${this.#entry.table} (k, doc) VALUES (?, ?)`).run(k, text);
  }

  /** Whether the document has changed. @throws as `insert`, and as `applyUpdate`. */
  update({ r, document }: Row, update: Update, now: Date): { changed: boolean; after: BsonDocument } {
    const applied = applyUpdate(document, update, { inserting: false, now });
    // Through the same cleaning as an insert: nesting is limited after updates, too.
    const after = normalise(applied) as BsonDocument; // A document stays one.
    const before = encodeRow(document);
    if (encodeRow(after) === before) return { changed: false, after };
    const text = this.#check(after, r);
    this.#file.statement(`UPDATE ${this.#entry.table} SET doc=? WHERE r=?`).run(text, r);
    return { changed: true, after };
  }

  /** @throws as `insert`, and as `upsertedDocument`. */
  upsert(query: Query, update: Update, now: Date): BsonDocument {
    const document = normalise(upsertedDocument(query.filter, update, now)) as BsonDocument; // As above.
    this.insert(document);
    return document;
  }

  delete({ r }: Row): void {
    this.#file.statement(`DELETE FROM ${this.#entry.table} WHERE r=?`).run(r);
  }

  /** All rows that a query gives, read before any of them is written. */
  rows(query: Query): Row[] {
    return [...scan(this.#file, this.#entry, query)];
  }

  /** The row's text, after every rule about it. */
  #check(document: BsonDocument, row?: number): string {
    const text = encodeRow(document);
    if (text.length > SURELY_SMALL_CHARACTERS) {
      const bytes = mongodb.BSON.calculateObjectSize(document, { ignoreUndefined: false });
      if (bytes > DOCUMENT_BYTES_MAX)
        throw serverError(
          10334,
          "BSONObjectTooLarge",
          `BSONObj size: ${bytes} is invalid. Size must be between 0 and ${DOCUMENT_BYTES_MAX} (16MB)`,
        );
    }
    refuseParallelArrays(this.#entry.indexes, document);
    checkUnique(this.#file, this.#entry, document, row);
    this.#noteKinds(document);
    return text;
  }

  #noteKinds(document: BsonDocument): void {
    let grown = false;
    for (const [path, kinds] of this.#entry.kinds) {
      const all = kinds | kindsOf(document, path === "_id" ? ID_PARTS : path.split("."));
      if (all === kinds) continue;
      this.#entry.kinds.set(path, all);
      grown = true;
    }
    if (grown) this.#file.catalog.save(this.#entry);
  }
}

const ID_PARTS = ["_id"];
const ID_INDEX = { name: "_id_", key: [{ path: "_id", parts: ID_PARTS, direction: 1 as const }] };
