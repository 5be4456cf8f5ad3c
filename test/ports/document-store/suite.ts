import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import type { Connection } from "mongoose";
import { type Divergences, type Test, testsExcept } from "../known-divergences.ts";
import { cursorRules } from "./cursor.rules.ts";
import { filterRules } from "./filter.rules.ts";
import { indexRules } from "./index.rules.ts";
import { modelRules } from "./model.rules.ts";
import { projectionAndSortRules } from "./projection-and-sort.rules.ts";
import { updateRules } from "./update.rules.ts";
import { writeRules } from "./write.rules.ts";

export interface Engine {
  name: string;
  open(): Promise<Connection>;
  /** How long a TTL index may take to remove a document. */
  expiryWaitMs: number;
  known?: Divergences;
  /** Thousands of documents in tests of many. @default 12 */
  thousands?: number;
}

/** What a test gets: the connection, and collections of its own. */
export interface Store {
  readonly test: Test;
  readonly thousands: number;
  readonly connection: Connection;
  readonly expiryWaitMs: number;
  /** A name that no other test uses. */
  name(): string;
  /** The driver's collection, without mongoose's casting, with documents numbered from 1. */
  seed(...documents: Record<string, unknown>[]): Promise<RawCollection>;
}

/** `_id` may be anything: the tests number their documents. */
export type RawDocument = Record<string, unknown>;
export type RawCollection = ReturnType<NonNullable<Connection["db"]>["collection"]>;

/**
 * The behaviour of the document store, through mongoose models and through the driver's collection. Expected values
 * are MongoDB's, by its documentation; nothing here knows which engine answers.
 */
export function documentStoreSuite(engine: Engine): void {
  describe(`document store on ${engine.name}`, () => {
    let connection: Connection | undefined;
    let serial = 0;
    const { test, finish } = testsExcept(engine.known ?? {});
    const store: Store = {
      test,
      thousands: engine.thousands ?? 12,
      get connection() {
        assert.ok(connection);
        return connection;
      },
      expiryWaitMs: engine.expiryWaitMs,
      name: () => `c${process.pid}_${++serial}`,
      async seed(...documents) {
        const collection = store.connection.db?.collection(store.name());
        assert.ok(collection);
        if (documents.length > 0)
          // The driver's types want an ObjectId as _id.
          await collection.insertMany(documents.map((document, i) => ({ _id: i + 1, ...document })) as never[]);
        return collection;
      },
    };
    before(async () => {
      connection = await engine.open();
    });
    after(async () => {
      await connection?.dropDatabase();
      await connection?.close();
    });

    for (const rules of [
      filterRules,
      projectionAndSortRules,
      updateRules,
      writeRules,
      indexRules,
      cursorRules,
      modelRules,
    ])
      rules(store);
    if (engine.known) finish(engine.name);
  });
}

/** The numbers of the matching documents, in order. */
export async function ids(collection: RawCollection, filter: RawDocument): Promise<unknown[]> {
  const documents = await collection.find(filter).sort({ _id: 1 }).toArray();
  return documents.map(({ _id }) => _id);
}

/** The error of a promise that must reject with a code. */
export async function rejection(promise: Promise<unknown>, code: number): Promise<Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.equal((error as { code?: unknown }).code, code, error.message);
    return error as unknown as Record<string, unknown>;
  }
  return assert.fail(`did not reject with ${code}`);
}
