import assert from "node:assert/strict";
import mongoose from "mongoose";
import { ids, type RawDocument, rejection, type Store } from "./suite.ts";

const { Binary, Long, ObjectId, UUID } = mongoose.mongo;

export function writeRules(store: Store): void {
  const { test } = store;
  test("every supported type comes back as it went in, _id first", async () => {
    const collection = await store.seed();
    const document: RawDocument = {
      s: "~s {} \u{1F600} \0",
      n: -1.25,
      big: 1e300,
      int: 2 ** 40,
      inf: Number.NEGATIVE_INFINITY,
      nan: Number.NaN,
      b: false,
      z: null,
      d: new Date(-1),
      early: new Date("-000100-01-01T00:00:00.000Z"),
      late: new Date("+020000-01-01T00:00:00.000Z"),
      o: new ObjectId(),
      bin: new Binary(Buffer.from([0, 255])),
      uuid: new UUID(),
      a: [1, [2, { x: [] }], {}],
      e: { "key with space": 1, 'quo"te': 2, "dotted.key": 3 },
      _id: "last",
    };
    await collection.insertOne({ ...document } as never);
    const found = await collection.findOne({});
    const { _id, ...rest } = document;
    assert.deepEqual(Object.keys(found ?? {}), ["_id", ...Object.keys(rest)]);
    assert.deepEqual(found, { _id, ...rest });
    assert.ok(found?.["uuid"] instanceof UUID);
  });

  test("a Buffer is a Binary, a Long within 2^53 a number, undefined null", async () => {
    const collection = await store.seed();
    await collection.insertOne({ b: Buffer.from("x"), l: Long.fromString("9007199254740991"), u: undefined });
    const found = await collection.findOne({});
    assert.equal(found?.["b"].toString("base64"), "eA==");
    assert.equal(found?.["l"], Number.MAX_SAFE_INTEGER);
    assert.equal(found?.["u"], null);
  });

  test("insertOne gives the document an _id and says it", async () => {
    const collection = await store.seed();
    const document: RawDocument = { a: 1 };
    const { acknowledged, insertedId } = await collection.insertOne(document);
    assert.ok(acknowledged);
    assert.equal(document["_id"], insertedId);
    assert.ok(insertedId instanceof ObjectId);
  });

  test("a second document with the same _id is error 11000 with keyPattern and keyValue", async () => {
    const collection = await store.seed({});
    const error = await rejection(collection.insertOne({ _id: 1 } as never), 11000);
    assert.equal(error["name"], "MongoServerError");
    assert.match(
      String(error["message"]),
      /^E11000 duplicate key error collection: \S+ index: _id_ dup key: \{ _id: 1 \}/,
    );
    assert.deepEqual(error["keyPattern"], { _id: 1 });
    assert.deepEqual(error["keyValue"], { _id: 1 });
  });

  test("1, true, '1' and { a: 1 } are different _ids, 1 and 1.0 are one", async () => {
    const collection = await store.seed({});
    for (const _id of [true, "1", { a: 1 }, '{"a":1}', false, ""]) await collection.insertOne({ _id } as never);
    assert.equal(await collection.countDocuments(), 7);
    await rejection(collection.insertOne({ _id: Long.fromNumber(1) } as never), 11000);
    assert.equal((await collection.find({ _id: { a: 1 } } as never).toArray()).length, 1);
    assert.equal((await collection.find({ _id: true } as never).toArray()).length, 1);
  });

  test("an ordered insertMany stops at the first error, an unordered one goes on", async () => {
    const collection = await store.seed();
    const documents = [{ _id: 1 }, { _id: 2 }, { _id: 1 }, { _id: 3 }] as never[];
    const ordered = await rejection(collection.insertMany(documents), 11000);
    assert.equal(ordered["name"], "MongoBulkWriteError");
    assert.equal((ordered["result"] as { insertedCount: number }).insertedCount, 2);
    assert.deepEqual(
      (ordered["writeErrors"] as { index: number }[]).map(({ index }) => index),
      [2],
    );
    assert.deepEqual(await ids(collection, {}), [1, 2]);
    const unordered = await rejection(
      collection.insertMany([{ _id: 1 }, { _id: 4 }, { _id: 4 }, { _id: 5 }] as never[], { ordered: false }),
      11000,
    );
    assert.equal((unordered["writeErrors"] as unknown[]).length, 2);
    assert.deepEqual(await ids(collection, {}), [1, 2, 4, 5]);
  });

  test("updateMany counts the matched and the modified", async () => {
    const collection = await store.seed({ a: 1 }, { a: 1 }, { a: 2 });
    const first = await collection.updateMany({ a: 1 }, { $set: { a: 5 } });
    assert.deepEqual([first.matchedCount, first.modifiedCount, first.upsertedId], [2, 2, null]);
    const second = await collection.updateMany({}, { $set: { a: 5 } });
    assert.deepEqual([second.matchedCount, second.modifiedCount], [3, 1]);
  });

  test("updateMany keeps what it changed before an error", async () => {
    const collection = await store.seed({ n: 1 }, { n: 1 }, { n: "x" });
    await rejection(collection.updateMany({}, { $inc: { n: 1 } }), 14);
    assert.deepEqual(
      (await collection.find().sort({ _id: 1 }).toArray()).map(({ n }) => n),
      [2, 2, "x"],
    );
  });

  test("replaceOne replaces all but _id", async () => {
    const collection = await store.seed({ a: 1, b: 2 });
    await collection.replaceOne({ a: 1 }, { z: 1 });
    assert.deepEqual(await collection.findOne({}), { _id: 1, z: 1 });
    await rejection(collection.replaceOne({}, { _id: 2, z: 1 } as never), 66);
    await assert.rejects(collection.replaceOne({}, { $set: { a: 1 } }), { name: "MongoInvalidArgumentError" });
    await assert.rejects(collection.updateOne({}, { a: 1 }), { name: "MongoInvalidArgumentError" });
  });

  test("deleteOne removes one, deleteMany all that match", async () => {
    const collection = await store.seed({ a: 1 }, { a: 1 }, { a: 1 }, { a: 2 });
    assert.equal((await collection.deleteOne({ a: 1 })).deletedCount, 1);
    assert.equal((await collection.deleteMany({ a: 1 })).deletedCount, 2);
    assert.equal((await collection.deleteMany({ a: 1 })).deletedCount, 0);
    assert.equal(await collection.countDocuments(), 1);
  });

  test("findOneAndUpdate returns the document before or after, by sort and projection", async () => {
    const collection = await store.seed({ p: 1, s: "q" }, { p: 3, s: "q" }, { p: 2, s: "q" });
    const before = await collection.findOneAndUpdate({ s: "q" }, { $set: { s: "d" } }, { sort: { p: -1 } });
    assert.deepEqual(before, { _id: 2, p: 3, s: "q" });
    const after = await collection.findOneAndUpdate(
      { s: "q" },
      { $inc: { p: 10 } },
      { sort: { p: -1 }, projection: { p: 1 }, returnDocument: "after", includeResultMetadata: true },
    );
    assert.deepEqual(after.value, { _id: 3, p: 12 });
    assert.equal(after.lastErrorObject?.["updatedExisting"], true);
    assert.equal(await collection.findOneAndUpdate({ s: "none" }, { $set: { a: 1 } }), null);
  });

  test("findOneAndUpdate and findOneAndReplace upsert, findOneAndDelete removes", async () => {
    const collection = await store.seed();
    assert.equal(await collection.findOneAndUpdate({ k: 1 }, { $inc: { c: 1 } }, { upsert: true }), null);
    const second = await collection.findOneAndUpdate(
      { k: 1 },
      { $inc: { c: 1 } },
      { upsert: true, returnDocument: "after" },
    );
    assert.equal(second?.["c"], 2);
    const third = await collection.findOneAndReplace({ k: 2 }, { z: 1 }, { upsert: true, returnDocument: "after" });
    assert.deepEqual(Object.keys(third ?? {}), ["_id", "z"]);
    assert.equal((await collection.findOneAndDelete({ k: 1 }))?.["c"], 2);
    assert.equal(await collection.findOneAndDelete({ k: 1 }), null);
  });

  test("concurrent findOneAndUpdate lose no increment", async () => {
    const collection = await store.seed({ c: 0 });
    await Promise.all(Array.from({ length: 50 }, () => collection.findOneAndUpdate({}, { $inc: { c: 1 } })));
    assert.equal((await collection.findOne({}))?.["c"], 50);
  });

  test("bulkWrite runs every kind of operation in order", async () => {
    const collection = await store.seed({ a: 1 }, { a: 2 }, { a: 3 });
    const result = await collection.bulkWrite([
      { insertOne: { document: { _id: 9, a: 9 } as never } },
      { updateOne: { filter: { a: 1 }, update: { $set: { b: 1 } } } },
      { updateMany: { filter: { a: { $gt: 1 } }, update: { $inc: { c: 1 } } } },
      { replaceOne: { filter: { a: 3 }, replacement: { r: 1 } } },
      { deleteOne: { filter: { a: 2 } } },
      { deleteMany: { filter: { a: 9 } } },
      { updateOne: { filter: { a: 77 }, update: { $set: { q: 1 } }, upsert: true } },
    ]);
    assert.deepEqual(
      [result.insertedCount, result.matchedCount, result.modifiedCount, result.deletedCount, result.upsertedCount],
      [1, 5, 5, 2, 1],
    );
    assert.ok(result.upsertedIds[6]);
    assert.equal(result.insertedIds[0], 9);
  });

  test("bulkWrite stops at an error when ordered, and goes on when not", async () => {
    const collection = await store.seed({ n: "x" });
    const operations = [
      { insertOne: { document: { _id: 2 } as never } },
      { updateOne: { filter: { n: "x" }, update: { $inc: { n: 1 } } } },
      { insertOne: { document: { _id: 3 } as never } },
    ];
    await rejection(collection.bulkWrite(operations), 14);
    assert.deepEqual(await ids(collection, {}), [1, 2]);
    const error = await rejection(collection.bulkWrite(operations, { ordered: false }), 11000);
    assert.deepEqual(
      (error["writeErrors"] as { code: number }[]).map(({ code }) => code),
      [11000, 14],
    );
    assert.deepEqual(await ids(collection, {}), [1, 2, 3]);
  });

  test("empty batches and unknown operations are refused before anything is written", async () => {
    const collection = await store.seed();
    for (const attempt of [
      collection.insertMany([]),
      collection.bulkWrite([]),
      collection.bulkWrite([{ insertOne: { document: {} } }, { unknown: {} } as never]),
      collection.bulkWrite([{ insertOne: { document: {} } }, { updateOne: { filter: {}, update: { a: 1 } } }]),
    ])
      await assert.rejects(attempt, { name: "MongoInvalidArgumentError" });
    assert.equal(await collection.countDocuments(), 0);
  });

  test("counts: with a filter, skip and limit, and of a collection that is not there", async () => {
    const collection = await store.seed({ a: 1 }, { a: 1 }, { a: 2 });
    assert.equal(await collection.countDocuments({ a: 1 }), 2);
    assert.equal(await collection.countDocuments({}, { skip: 1, limit: 1 }), 1);
    assert.equal(await collection.estimatedDocumentCount(), 3);
    const missing = await store.seed();
    assert.equal(await missing.countDocuments({ a: 1 }), 0);
    assert.equal(await missing.estimatedDocumentCount(), 0);
  });

  test("distinct gives each value once, from arrays and through them", async () => {
    const collection = await store.seed(
      { a: [1, 2] },
      { a: 2 },
      { a: [{ b: 1 }, { b: 2 }] },
      { a: { b: 2 } },
      { a: null },
      {},
      { a: [] },
    );
    const sorted = (values: unknown[]) => values.map((value) => JSON.stringify(value)).sort();
    assert.deepEqual(sorted(await collection.distinct("a")), sorted([1, 2, { b: 1 }, { b: 2 }, null]));
    assert.deepEqual(sorted(await collection.distinct("a.b")), sorted([1, 2]));
    assert.deepEqual(await collection.distinct("a", { a: 2, "a.1": 2 }), [1, 2]);
  });

  test("a document beyond 16 MiB or 180 levels is refused", async () => {
    const collection = await store.seed({});
    await assert.rejects(collection.updateOne({}, { $set: { s: "x".repeat(16 * 1024 * 1024) } }));
    let deep: RawDocument = {};
    for (let i = 0; i < 185; i++) deep = { a: deep };
    await rejection(collection.insertOne(deep), 15);
    assert.deepEqual(await collection.find().toArray(), [{ _id: 1 }]);
    await collection.insertOne({ s: "x".repeat(15 * 1024 * 1024) });
    assert.equal(await collection.countDocuments(), 2);
  });

  test("drop removes the documents and the indexes", async () => {
    const collection = await store.seed({ a: 1 });
    await collection.createIndex({ a: 1 });
    assert.equal(await collection.drop(), true);
    assert.equal(await collection.countDocuments(), 0);
    await collection.insertOne({ a: 1 });
    assert.equal((await collection.indexes()).length, 1);
  });
}
