import assert from "node:assert/strict";
import { rejection, type Store } from "./suite.ts";

export function indexRules(store: Store): void {
  const { test } = store;
  test("indexes are listed with their options, created once, and dropped by name", async () => {
    const collection = await store.seed({ a: 1 });
    assert.equal(await collection.createIndex({ a: 1, b: -1 }), "a_1_b_-1");
    assert.equal(await collection.createIndex({ a: 1, b: -1 }), "a_1_b_-1");
    await collection.createIndexes([
      { key: { c: 1 }, unique: true, sparse: true },
      { key: { d: 1 }, name: "d", partialFilterExpression: { d: { $exists: true } } },
      { key: { e: 1 }, expireAfterSeconds: 3600 },
    ]);
    const listed = await collection.indexes();
    assert.deepEqual(
      listed.map(({ name }) => name),
      ["_id_", "a_1_b_-1", "c_1", "d", "e_1"],
    );
    assert.deepEqual(listed[1]?.key, { a: 1, b: -1 });
    assert.equal(listed[2]?.unique, true);
    assert.equal(listed[2]?.sparse, true);
    assert.deepEqual(listed[3]?.["partialFilterExpression"], { d: { $exists: true } });
    assert.equal(listed[4]?.["expireAfterSeconds"], 3600);
    await collection.dropIndex("d");
    assert.equal((await collection.indexes()).length, 4);
    await collection.dropIndexes();
    assert.deepEqual(
      (await collection.indexes()).map(({ name }) => name),
      ["_id_"],
    );
  });

  test("conflicting, missing and malformed indexes are errors", async () => {
    const collection = await store.seed({ a: 1 });
    await collection.createIndex({ a: 1 });
    await rejection(collection.createIndex({ a: 1 }, { unique: true }), 86);
    await rejection(collection.createIndex({ a: 1 }, { name: "other" }), 85);
    await rejection(collection.dropIndex("none"), 27);
    await rejection(collection.dropIndex("_id_"), 72);
    await rejection(collection.createIndex({ b: 0 } as never), 67);
    await rejection(collection.createIndex({ b: 1, c: 1 }, { expireAfterSeconds: 1 }), 67);
    await rejection(collection.createIndex({ b: 1 }, { sparse: true, partialFilterExpression: { b: 1 } }), 67);
    const missing = await store.seed();
    await rejection(missing.indexes(), 26);
  });

  test("a unique index refuses a second key on insert, update, upsert and replace", async () => {
    const collection = await store.seed({ e: "a" }, { e: "b" });
    await collection.createIndex({ e: 1 }, { unique: true });
    const error = await rejection(collection.insertOne({ e: "a" }), 11000);
    assert.deepEqual(error["keyValue"], { e: "a" });
    assert.deepEqual(error["keyPattern"], { e: 1 });
    assert.match(String(error["message"]), /index: e_1 dup key: \{ e: "a" \}/);
    await rejection(collection.updateOne({ e: "b" }, { $set: { e: "a" } }), 11000);
    await rejection(collection.updateOne({ z: 1 }, { $set: { e: "a" } }, { upsert: true }), 11000);
    await rejection(collection.replaceOne({ e: "b" }, { e: "a" }), 11000);
    await collection.updateOne({ e: "a" }, { $set: { e: "a", x: 1 } });
    assert.equal(await collection.countDocuments(), 2);
  });

  test("a unique index tells types apart, and takes missing and null for one key", async () => {
    const collection = await store.seed({ e: 1 });
    await collection.createIndex({ e: 1 }, { unique: true });
    for (const e of [true, "1", { a: 1 }, '{"a":1}', false, 0, null]) await collection.insertOne({ e });
    for (const document of [{}, { e: null }, { e: { a: 1 } }, { e: -0 }, { e: true }])
      await rejection(collection.insertOne(document), 11000);
    await collection.insertOne({ e: { a: 1, b: 2 } });
    await collection.insertOne({ e: { b: 2, a: 1 } });
  });

  test("a sparse unique index lets the field be missing, but null is a key", async () => {
    const collection = await store.seed({ x: 1 }, { x: 2 });
    await collection.createIndex({ e: 1 }, { unique: true, sparse: true });
    await collection.insertMany([{}, { e: 1 }, { e: null }]);
    await rejection(collection.insertOne({ e: 1 }), 11000);
    await rejection(collection.insertOne({ e: null }), 11000);
  });

  test("a compound unique index compares all fields", async () => {
    const collection = await store.seed({ a: 1, b: 1 });
    await collection.createIndex({ a: 1, b: -1 }, { unique: true });
    await collection.insertMany([{ a: 1, b: 2 }, { a: 1 }, { b: 1 }, {}]);
    const error = await rejection(collection.insertOne({ a: 1, b: 2 }), 11000);
    assert.deepEqual(error["keyValue"], { a: 1, b: 2 });
    await rejection(collection.insertOne({ a: 1, b: null }), 11000);
    await rejection(collection.insertOne({}), 11000);
  });

  const partials = [
    { filter: { active: true }, inside: { active: true }, outside: { active: 1 } },
    { filter: { active: { $exists: true } }, inside: { active: null }, outside: {} },
    { filter: { k: { $type: "string" } }, inside: {}, outside: { k: 5 } },
    { filter: { n: { $gt: 5 } }, inside: { n: 6 }, outside: { n: "9" } },
    { filter: { n: { $gte: 1, $lt: 3 }, active: "y" }, inside: { n: 1, active: "y" }, outside: { n: 3, active: "y" } },
  ];
  for (const { filter, inside, outside } of partials)
    test(`a partial unique index holds only ${JSON.stringify(filter)}`, async () => {
      const collection = await store.seed();
      await collection.createIndex({ k: 1 }, { unique: true, partialFilterExpression: filter });
      await collection.insertMany([
        { k: "x", ...inside },
        { k: "x", ...outside },
        { k: "x", ...outside },
      ]);
      await rejection(collection.insertOne({ k: "x", ...inside }), 11000);
      await collection.insertOne({ k: "y", ...inside });
    });

  test("a unique index is not made over documents that share a key", async () => {
    const collection = await store.seed({ e: 1 }, { e: 1 }, { f: 1 });
    await rejection(collection.createIndex({ e: 1 }, { unique: true }), 11000);
    assert.equal((await collection.indexes()).length, 1);
    await collection.insertOne({ e: 1 });
  });

  test("a compound index refuses two arrays in one document", async () => {
    const collection = await store.seed({ a: [1], b: 1 });
    await collection.createIndex({ a: 1, b: 1 });
    await rejection(collection.insertOne({ a: [1], b: [2] }), 171);
    await collection.insertOne({ a: 1, b: [2] });
  });

  test("concurrent upserts on a unique key make one document", async () => {
    const collection = await store.seed();
    await collection.createIndex({ k: 1 }, { unique: true });
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => collection.updateOne({ k: "x" }, { $inc: { c: 1 } }, { upsert: true })),
    );
    assert.equal(await collection.countDocuments({ k: "x" }), 1);
    const acknowledged = results.filter(({ status }) => status === "fulfilled").length;
    assert.equal((await collection.findOne({}))?.["c"], acknowledged);
  });

  test("a TTL index removes what is over, and only that", async (t) => {
    const collection = await store.seed(
      { at: new Date(Date.now() - 3_600_000) },
      { at: new Date(Date.now() + 3_600_000) },
      { at: "not a date" },
      {},
      { at: [new Date(Date.now() + 3_600_000), new Date(0)] },
    );
    await collection.createIndex({ at: 1 }, { expireAfterSeconds: 1 });
    await t.waitFor(async () => assert.equal(await collection.countDocuments(), 3), {
      timeout: store.expiryWaitMs,
      interval: 100,
    });
    const left = await collection.find().sort({ _id: 1 }).toArray();
    assert.deepEqual(
      left.map(({ _id }) => _id),
      [2, 3, 4],
    );
  });
}
