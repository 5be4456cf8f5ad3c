import mongoose from "mongoose";
import { type Random, randomDocument, randomFilter, randomSort } from "../../../ports/document-store/random-queries.ts";
import type { RawCollection, RawDocument } from "../../../ports/document-store/suite.ts";

const { ObjectId } = mongoose.mongo;

/** One call on a collection, the same on both engines. */
export interface Operation {
  /** What it is, for the list of divergences: no values. */
  name: string;
  /** What it was given, for people. */
  given: unknown;
  /** Whether the order of what it gives is defined. */
  ordered?: boolean;
  /** What it selects by. */
  filter?: RawDocument;
  run(collection: RawCollection): Promise<unknown>;
}

const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
/** Python's dates: of the years 1 to 9999. */
const [EARLIEST, LATEST] = [Date.parse("0001-01-01T00:00:00Z"), Date.parse("9999-12-31T00:00:00Z")];

/** Without what SecantusDB cannot take at all; that is listed by the suite. */
export function tame(value: unknown): unknown {
  if (value instanceof Date) return value.getTime() < EARLIEST || value.getTime() > LATEST ? new Date(0) : value;
  if (Array.isArray(value)) return value.map(tame);
  if (value === null || typeof value !== "object" || value instanceof ObjectId || "_bsontype" in value) return value;
  if (value instanceof RegExp) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, tame(inner)]));
}

const leaf = (random: Random) => pick<unknown>(random, [1, 2, -1, 0.5, "a", "b", true, null, [1, 2], { x: 1 }, []]);
const number = (random: Random) => pick(random, [1, 2, -1, 0.5, 10]);

/** One operator, or two on different paths: what a conflict gives is the suite's. */
function randomUpdate(random: Random): { names: string; update: RawDocument } {
  const operators: Record<string, () => RawDocument> = {
    $set: () => ({ [pick(random, ["a", "c.d", "new"])]: leaf(random) }),
    $unset: () => ({ [pick(random, ["b", "c.e"])]: "" }),
    $inc: () => ({ [pick(random, ["a", "n", "c.d"])]: number(random) }),
    $min: () => ({ [pick(random, ["a", "n"])]: number(random) }),
    $max: () => ({ [pick(random, ["a", "n"])]: number(random) }),
    $push: () => ({ [pick(random, ["l", "a"])]: random() < 0.5 ? leaf(random) : { $each: [1, 2, 3], $slice: -2 } }),
    $addToSet: () => ({ l: random() < 0.5 ? leaf(random) : { $each: [1, "a", 1] } }),
    $pull: () => ({ l: random() < 0.5 ? number(random) : { $gt: 0 } }),
    $pullAll: () => ({ l: [1, "a"] }),
  };
  const name = pick(random, Object.keys(operators));
  return { names: name, update: { [name]: operators[name]?.() } };
}

/** The next call, by the seed's own course. */
export function randomOperation(random: Random, kinds: number, nextId: () => number): Operation {
  const filter = tame(randomFilter(random, kinds)) as RawDocument;
  const byId = { _id: Math.floor(random() * 60) };
  const one = random() < 0.6 ? byId : filter;
  const { names, update } = randomUpdate(random);
  const upsert = random() < 0.3 && one === byId;
  const sort = randomSort(random);
  const choices: (() => Operation)[] = [
    () => ({
      ...{ name: `find ${shapeOf(filter)}`, given: { filter, sort }, filter, ordered: true },
      run: (c) => c.find(filter).sort(sort).toArray(),
    }),
    () => {
      const projection = pick<RawDocument>(random, [{ a: 1 }, { b: 0 }, { "c.d": 1, _id: 0 }, { c: 0, a: 0 }]);
      const name = `find with projection ${JSON.stringify(projection)}`;
      return { name, given: { filter: byId, projection }, run: (c) => c.find(byId as never, { projection }).toArray() };
    },
    () => ({ name: `find ${shapeOf(filter)}`, given: filter, filter, run: (c) => c.countDocuments(filter) }),
    () => {
      const document = {
        _id: random() < 0.7 ? nextId() : Math.floor(random() * 60),
        ...(tame(randomDocument(random, kinds)) as RawDocument),
      };
      return {
        name: "insertOne",
        given: document,
        run: async (c) => (await c.insertOne(document as never)).insertedId,
      };
    },
    () => ({
      ...{ name: `update ${names}`, given: { one, update, upsert }, filter: one },
      // Of several that match, which one is changed is not defined.
      run: async (c) => (one === byId ? c.updateOne(one as never, update, { upsert }) : c.updateMany(filter, update)),
    }),
    () => ({
      ...{ name: `findOneAndUpdate ${names}`, given: { byId, update, upsert } },
      run: (c) => c.findOneAndUpdate(byId as never, update, { upsert, returnDocument: "after" }),
    }),
    () => {
      const replacement = tame(randomDocument(random, kinds)) as RawDocument;
      return { name: "replaceOne", given: { byId, replacement }, run: (c) => c.replaceOne(byId as never, replacement) };
    },
    () => ({ name: "deleteOne", given: byId, run: (c) => c.deleteOne(byId as never) }),
    () => {
      const ordered = random() < 0.5;
      const insert = () => ({ insertOne: { document: { _id: Math.floor(random() * 80), u: u() } } });
      const change = () => ({ updateOne: { filter: byId, update: { $set: { u: u() } } } });
      const u = () => Math.floor(random() * 10);
      // Without an order, the driver sends insertions first.
      const kind = random() < 0.5 ? insert : change;
      const operations = Array.from({ length: 4 }, () => (ordered ? pick(random, [insert, change]) : kind)());
      const name = `bulkWrite ${ordered ? "ordered" : "unordered"}`;
      return { name, given: operations, run: (c) => c.bulkWrite(operations as never, { ordered }) };
    },
    () => {
      const path = pick(random, ["a", "b", "c.d"]);
      return { name: `distinct ${path}`, given: path, run: async (c) => (await c.distinct(path)).length };
    },
  ];
  return pick(random, choices)();
}

/** The tests of a filter, each alone. */
export function leavesOf(filter: RawDocument): RawDocument[] {
  return Object.entries(filter).flatMap(([key, value]) =>
    ["$and", "$or", "$nor"].includes(key) ? (value as RawDocument[]).flatMap(leavesOf) : [{ [key]: value }],
  );
}

/** The operators of a filter, without values. */
export function shapeOf(filter: unknown): string {
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype)
      for (const [key, inner] of Object.entries(value)) {
        if (key.startsWith("$")) found.add(key);
        walk(inner);
      }
  };
  walk(filter);
  return [...found].sort().join(",") || "equality";
}
