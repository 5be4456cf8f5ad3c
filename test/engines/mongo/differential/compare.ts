import mongoose from "mongoose";
import type { RawCollection, RawDocument } from "../../../ports/document-store/suite.ts";
import type { Operation } from "./operations.ts";

const { EJSON } = mongoose.mongo.BSON;

export type Answer = { value: string } | { error: number | string };

/** What an engine answers, as text: results without what only tells of the driver, errors by their code. */
export async function answerOf({ run, ordered }: Operation, collection: RawCollection): Promise<Answer> {
  try {
    const value = await run(collection);
    return { value: textOf(Array.isArray(value) && !ordered ? value.map(textOf).sort() : value) };
  } catch (error) {
    const { code, message, writeErrors } = error as {
      code?: number;
      message: string;
      writeErrors?: { code: number; index: number }[];
    };
    return {
      error:
        writeErrors
          ?.map((one) => `${one.code}@${one.index}`)
          .sort()
          .join() ||
        (code ?? message),
    };
  }
}

/** Members in the order of their names: that of an update's new fields, and of an upsert, is listed by the suite. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return JSON.stringify(sorted(EJSON.serialize(plain(value) as never, { relaxed: false })));
}

const plain = (value: unknown): unknown => {
  // A bulk's result has getters.
  if (value !== null && typeof value === "object" && "insertedCount" in value) {
    const { insertedCount, matchedCount, modifiedCount, deletedCount, upsertedCount } = value as Record<
      string,
      unknown
    >;
    return { insertedCount, matchedCount, modifiedCount, deletedCount, upsertedCount };
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : { value };
};

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const { $numberInt, $numberDouble } = value as Record<string, string>;
  // The embedded store has one kind of number.
  if ($numberInt !== undefined) return { $numberDouble: `${$numberInt}.0` };
  if ($numberDouble !== undefined) return { $numberDouble };
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

export const stateOf = async (collection: RawCollection): Promise<RawDocument[]> =>
  (await collection.find().toArray()) as RawDocument[];

export const sameState = (a: RawDocument[], b: RawDocument[]): boolean =>
  textOf(a.map(textOf).sort()) === textOf(b.map(textOf).sort());

/** Makes the second collection what the first is. */
export async function copyState(from: RawCollection, to: RawCollection): Promise<void> {
  await to.deleteMany({});
  const documents = await stateOf(from);
  if (documents.length > 0) await to.insertMany(documents as never[]);
}
