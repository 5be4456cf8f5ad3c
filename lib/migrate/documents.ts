import mongoose, { type Connection, type mongo } from "mongoose";
import { closeDocumentStore, openDocumentStore } from "../document-store.ts";
import { type MongoSettings, type MongoShare, shareMongo } from "../mongo/shared-client.ts";
import { expiring } from "./expiring.ts";
import { Ledger } from "./ledger.ts";
import { claimMongo } from "./mongo-claim.ts";
import type { Comparison, MigrationPart } from "./part.ts";

export interface DocumentsOptions {
  documentsFile: string;
  synchronous: "FULL" | "NORMAL";
  mongo: MongoSettings;
  target: string;
}

/** Documents of one command at most: a slow server ends each within its time. */
const DOCUMENTS_AT_ONCE = 200;
/** Bytes of one command, where it has more than one document. */
const BYTES_AT_ONCE = 1_048_576;

/** What expires so soon is moved, but not compared: either side may have let it go already. */
const EXPIRING_MS = 600_000;

type Document = mongo.Document & { _id: string };
type Collection = mongo.Collection<Document>;

/** The documents of every model, whatever models there are, and the indexes that the models have declared. */
export async function documentsPart({ target, mongo, ...embedded }: DocumentsOptions): Promise<MigrationPart> {
  const { documentsFile: file, synchronous } = embedded;
  const source = await openDocumentStore({ file, synchronous });
  try {
    return new Documents(source, await shareMongo(mongo), target);
  } catch (error) {
    await closeDocumentStore(source);
    throw error;
  }
}

class Documents implements MigrationPart {
  readonly name = "documents";
  readonly target: string;
  readonly #source: Connection;
  readonly #share: MongoShare;

  constructor(source: Connection, share: MongoShare, target: string) {
    this.target = target;
    this.#source = source;
    this.#share = share;
  }

  async claim(migrationId: string, begun: boolean): Promise<void> {
    const names = (await this.#collections()).map(({ collectionName }) => collectionName);
    await claimMongo(this.#share.db, { target: this.target, migrationId, begun }, names);
  }

  async copy(): Promise<void> {
    for (const here of await this.#collections()) {
      const there = this.#there(here);
      await copyIndexes(here, there);
      for await (const documents of inBatches(here)) await put(there, documents);
    }
  }

  async compare(): Promise<Comparison[]> {
    const comparisons: Comparison[] = [];
    for (const here of await this.#collections()) {
      const name = here.collectionName;
      const ledger = new Ledger(`document of ${name}`);
      const expires = expiring(await here.indexes(), Date.now() + EXPIRING_MS);
      for await (const documents of inBatches(here))
        for (const document of documents)
          if (!expires(document)) ledger.addHere(String(document._id), contentOf(document));
      for await (const document of this.#there(here).find({}).batchSize(DOCUMENTS_AT_ONCE))
        if (!expires(document)) ledger.addThere(String(document._id), contentOf(document));
      comparisons.push(ledger.comparison(`documents of ${name}`));
    }
    return comparisons;
  }

  async close(): Promise<void> {
    await closeDocumentStore(this.#source);
    await this.#share.release();
  }

  async #collections(): Promise<Collection[]> {
    const found = (await this.#source.db?.collections()) ?? [];
    return (found as unknown as Collection[]).sort((a, b) => (a.collectionName < b.collectionName ? -1 : 1));
  }

  #there({ collectionName }: Collection): Collection {
    return this.#share.db.collection<Document>(collectionName);
  }
}

async function copyIndexes(here: Collection, there: Collection): Promise<void> {
  for (const { v: _, key, ...options } of await here.indexes())
    if (options.name !== "_id_") await there.createIndex(key, options as mongo.CreateIndexesOptions);
}

async function* inBatches(collection: Collection): AsyncGenerator<Document[]> {
  let batch: Document[] = [];
  let bytes = 0;
  for await (const document of collection.find({}).batchSize(DOCUMENTS_AT_ONCE)) {
    const size = mongoose.mongo.BSON.calculateObjectSize(document);
    if (batch.length >= DOCUMENTS_AT_ONCE || (batch.length > 0 && bytes + size > BYTES_AT_ONCE)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(document);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** A document that a former run has written is written again, as it is. */
async function put(there: Collection, documents: readonly Document[]): Promise<void> {
  await there.bulkWrite(
    documents.map(({ _id, ...replacement }) => ({ replaceOne: { filter: { _id }, replacement, upsert: true } })),
    { ordered: false },
  );
}

/** With `_id` first, as MongoDB keeps it. */
const contentOf = ({ _id, ...rest }: Document): Uint8Array => mongoose.mongo.BSON.serialize({ _id, ...rest });
