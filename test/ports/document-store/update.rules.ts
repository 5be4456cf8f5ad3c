import assert from "node:assert/strict";
import { type RawDocument, rejection, type Store } from "./suite.ts";

interface Case {
  rule: string;
  before: RawDocument;
  update: RawDocument;
  after: RawDocument;
}

const D1 = new Date(1000);

const CASES: Case[] = [
  {
    rule: "$set makes the documents on the way",
    before: { a: { b: 1 } },
    update: { $set: { "a.c.d": 2, x: [1] } },
    after: { a: { b: 1, c: { d: 2 } }, x: [1] },
  },
  {
    rule: "new fields come in the order of their names",
    before: {},
    update: { $set: { c: 1, a: 2 }, $inc: { b: 3 } },
    after: { a: 2, b: 3, c: 1 },
  },
  {
    rule: "$set reaches array elements by number and pads with null",
    before: { a: [1, 2] },
    update: { $set: { "a.1": 9, "a.3": 4, "b.0": 1 } },
    after: { a: [1, 9, null, 4], b: { 0: 1 } },
  },
  {
    rule: "$unset removes a field and leaves null in an array",
    before: { a: 1, b: { c: 1, d: 2 }, l: [1, 2] },
    update: { $unset: { a: "", "b.c": 1, "l.0": 1, none: 1 } },
    after: { b: { d: 2 }, l: [null, 2] },
  },
  {
    rule: "$inc adds, and sets what is missing",
    before: { a: 1.5 },
    update: { $inc: { a: 2, "b.c": -1 } },
    after: { a: 3.5, b: { c: -1 } },
  },
  {
    rule: "$min and $max compare across types",
    before: { a: 5, b: 5, c: "s", d: 5 },
    update: { $min: { a: 3, c: 1, e: 1 }, $max: { b: 3, d: D1, f: 1 } },
    after: { a: 3, b: 5, c: 1, d: D1, e: 1, f: 1 },
  },
  {
    rule: "$push appends a value, an array as one element",
    before: { a: [1] },
    update: { $push: { a: [2, 3], b: 1 } },
    after: { a: [1, [2, 3]], b: [1] },
  },
  {
    rule: "$push with $each and $slice keeps the last or the first",
    before: { a: [1, 2], b: [1, 2], c: [1] },
    update: { $push: { a: { $each: [3, 4], $slice: -3 }, b: { $each: [3], $slice: 2 }, c: { $each: [], $slice: 0 } } },
    after: { a: [2, 3, 4], b: [1, 2], c: [] },
  },
  {
    rule: "$addToSet adds what is not there, documents by key order",
    before: { a: [1, { x: 1, y: 2 }] },
    update: { $addToSet: { a: { $each: [1, 2, 2, { y: 2, x: 1 }, { x: 1, y: 2 }] }, b: "v" } },
    after: { a: [1, { x: 1, y: 2 }, 2, { y: 2, x: 1 }], b: ["v"] },
  },
  {
    rule: "$pull removes equal elements, and those that a filter finds",
    before: { a: [1, 2, 1], b: [{ x: 1 }, { x: 5, y: 1 }, 7], c: [1, 5, 9], d: ["xa", "b"] },
    update: { $pull: { a: 1, b: { x: { $gt: 2 } }, c: { $gte: 5 }, d: /^x/, none: 1 } },
    after: { a: [2], b: [{ x: 1 }, 7], c: [1], d: ["b"] },
  },
  {
    rule: "$pull and $pullAll take arrays as values",
    before: { a: [[1], 1, [1, 2]], b: [1, 2, 1, 3] },
    update: { $pull: { a: [1] }, $pullAll: { b: [1, 3] } },
    after: { a: [1, [1, 2]], b: [2] },
  },
  {
    rule: "$setOnInsert does nothing to a document that is there",
    before: { a: 1 },
    update: { $setOnInsert: { a: 2, b: 3 } },
    after: { a: 1 },
  },
  { rule: "an empty modifier changes nothing", before: { a: 1 }, update: { $set: {} }, after: { a: 1 } },
];

const ERRORS: [what: string, update: RawDocument, code: number][] = [
  ["$inc of a string field", { $inc: { s: 1 } }, 14],
  ["$inc by a string", { $inc: { n: "1" } }, 14],
  ["$inc of null", { $inc: { z: 1 } }, 14],
  ["two operators on one path", { $set: { q: 1 }, $inc: { q: 1 } }, 40],
  ["operators on a path and its parent", { $set: { "q.a": 1 }, $unset: { q: 1 } }, 40],
  ["an unknown operator", { $foo: { q: 1 } }, 9],
  ["an operator without a document", { $set: 1 }, 9],
  ["$set of a field in a string", { $set: { "s.x": 1 } }, 28],
  ["$set of a field in null", { $set: { "z.x": 1 } }, 28],
  ["$set of a field in an array", { $set: { "l.x": 1 } }, 28],
  ["an empty part of a path", { $set: { "a..b": 1 } }, 56],
  ["$push to a number", { $push: { n: 1 } }, 2],
  ["$push of $each without an array", { $push: { l: { $each: 1 } } }, 2],
  ["$pull from a number", { $pull: { n: 1 } }, 2],
  ["a change of _id", { $set: { _id: 2 } }, 66],
  ["$unset of _id", { $unset: { _id: 1 } }, 66],
];

export function updateRules(store: Store): void {
  const { test } = store;
  for (const { rule, before, update, after } of CASES)
    test(rule, async () => {
      const collection = await store.seed(before);
      await collection.updateOne({}, update);
      const found = await collection.findOne({});
      assert.deepEqual(found, { _id: 1, ...after });
      assert.deepEqual(Object.keys(found ?? {}), ["_id", ...Object.keys(after)]);
    });

  for (const [what, update, code] of ERRORS)
    test(`${what} is error ${code} and changes nothing`, async () => {
      const collection = await store.seed({ s: "x", n: 1, z: null, l: [1] });
      await rejection(collection.updateOne({}, update), code);
      assert.deepEqual(await collection.findOne({}), { _id: 1, s: "x", n: 1, z: null, l: [1] });
    });

  test("$currentDate sets the server's time", async () => {
    const collection = await store.seed({});
    const before = Date.now() - 60_000;
    await collection.updateOne({}, { $currentDate: { at: true, "o.at": { $type: "date" } } } as never);
    const found = await collection.findOne({});
    assert.ok(found?.["at"] instanceof Date && found["at"].getTime() > before);
    assert.ok(found["o"].at instanceof Date);
  });

  test("$set of the same _id is allowed", async () => {
    const collection = await store.seed({ a: 1 });
    await collection.updateOne({}, { $set: { _id: 1, a: 2 } } as never);
    assert.deepEqual(await collection.findOne({}), { _id: 1, a: 2 });
  });

  test("an upsert inserts the filter's equalities, then the update", async () => {
    const collection = await store.seed();
    const filter = { $and: [{ a: 1 }, { "n.b": { $eq: 2 } }], c: { $gt: 5 }, l: { $in: [1, 2] } };
    const result = await collection.updateOne(filter, { $set: { d: 3 }, $setOnInsert: { e: 4 } }, { upsert: true });
    assert.equal(result.upsertedCount, 1);
    assert.equal(result.matchedCount, 0);
    const found = await collection.findOne({});
    assert.ok(result.upsertedId?.equals(found?._id ?? ""));
    assert.deepEqual({ ...found, _id: 0 }, { _id: 0, a: 1, n: { b: 2 }, d: 3, e: 4 });
    const again = await collection.updateOne({ a: 1 }, { $setOnInsert: { e: 9 } }, { upsert: true });
    assert.deepEqual([again.upsertedCount, again.matchedCount, again.modifiedCount], [0, 1, 0]);
  });

  test("an upsert takes _id from the filter, and a replacement nothing else", async () => {
    const collection = await store.seed();
    await collection.updateOne({ _id: 7 } as never, { $set: { a: 1 } }, { upsert: true });
    await collection.replaceOne({ _id: 8, b: 1 } as never, { a: 2 }, { upsert: true });
    assert.deepEqual(await collection.find().sort({ _id: 1 }).toArray(), [
      { _id: 7, a: 1 },
      { _id: 8, a: 2 },
    ]);
  });

  test("an upsert whose filter fixes a path twice is error 54", async () => {
    const collection = await store.seed();
    await rejection(collection.updateOne({ $and: [{ a: 1 }, { a: 2 }] }, { $set: { b: 1 } }, { upsert: true }), 54);
  });
}
