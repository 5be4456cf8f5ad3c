import assert from "node:assert/strict";
import mongoose, { Schema, type SchemaDefinition, type SchemaOptions } from "mongoose";
import { rejection, type Store } from "./suite.ts";

// biome-ignore lint/suspicious/noExplicitAny: documents of any shape; each test reads the fields that its definition names.
type Fields = Record<string, any>;

export function modelRules(store: Store): void {
  const { test } = store;
  const model = (definition: SchemaDefinition, options: SchemaOptions = {}) =>
    store.connection.model<Fields>(
      store.name(),
      new Schema(definition as never, { autoIndex: false, autoCreate: false, ...options } as never),
    );

  test("a model keeps every type of its schema", async () => {
    const Thing = model({
      s: String,
      d: Date,
      b: Boolean,
      n: Number,
      o: { x: Number },
      a: [Number],
      m: { type: Map, of: Number },
      buffer: Buffer,
      uuid: Schema.Types.UUID,
      ref: Schema.Types.ObjectId,
    });
    const d = new Date("2026-01-02T03:04:05.678Z");
    const ref = new mongoose.Types.ObjectId();
    const uuid = "7f4b4f9c-2c3d-4b5e-8f6a-1d2e3f4a5b6c";
    const created = await Thing.create({
      s: "~x",
      d,
      b: true,
      n: 1.5,
      o: { x: 1 },
      a: [3, 1],
      m: new Map([["k", 7]]),
      buffer: Buffer.from([1, 255]),
      uuid,
      ref,
    });
    const found = await Thing.findById(created._id);
    assert.ok(found);
    assert.deepEqual(found.get("d"), d);
    assert.equal(found.get("o.x"), 1);
    assert.deepEqual([...found.get("a")], [3, 1]);
    assert.equal(found.get("m").get("k"), 7);
    assert.deepEqual([...found.get("buffer")], [1, 255]);
    assert.equal(String(found.get("uuid")), uuid);
    assert.ok(found.get("ref").equals(ref));
    assert.equal(found.get("__v"), 0);
  });

  test("save sends the changes of arrays and fields, and timestamps move", async () => {
    const Thing = model({ a: [Number], s: String, l: [String] }, { timestamps: true });
    const created = await Thing.create({ a: [1, 2], s: "q", l: ["x", "y"] });
    const loaded = await Thing.findById(created._id);
    assert.ok(loaded);
    loaded.get("a").push(3);
    loaded.get("l").pull("x");
    loaded.set("s", undefined);
    await loaded.save();
    const found = await Thing.findById(created._id).lean();
    assert.deepEqual(found?.["a"], [1, 2, 3]);
    assert.deepEqual(found?.["l"], ["y"]);
    assert.ok(found && !("s" in found));
    assert.ok((found["updatedAt"] as Date) >= (found["createdAt"] as Date));
  });

  test("optimistic concurrency refuses the second of two saves", async () => {
    const Thing = model({ a: Number }, { optimisticConcurrency: true });
    const { _id } = await Thing.create({ a: 1 });
    const [first, second] = [await Thing.findById(_id), await Thing.findById(_id)];
    first?.set("a", 2);
    await first?.save();
    second?.set("a", 3);
    await assert.rejects(Promise.resolve(second?.save()), { name: "VersionError" });
  });

  test("discriminators and populate work", async () => {
    const Owner = model({ name: String });
    const Base = model(
      {
        name: String,
        owner: { type: Schema.Types.ObjectId, ref: Owner.modelName },
        owners: [{ type: Schema.Types.ObjectId, ref: Owner.modelName }],
      },
      { discriminatorKey: "kind" },
    );
    const Special = Base.discriminator(store.name(), new Schema({ x: Number }));
    const x = await Owner.create({ name: "x" });
    const y = await Owner.create({ name: "y" });
    await Special.create({ name: "n", x: 1, owner: x._id, owners: [y._id, x._id] } as never);
    await Base.create({ name: "base" });
    assert.equal(await Special.countDocuments(), 1);
    assert.equal(await Base.countDocuments(), 2);
    const found = await Base.findOne({ name: "n" }).populate(["owner", "owners"]).lean();
    assert.ok(found);
    assert.equal((found["owner"] as { name: string }).name, "x");
    assert.deepEqual(
      (found["owners"] as { name: string }[]).map(({ name }) => name),
      ["y", "x"],
    );
  });

  test("a model's indexes are made, compared and enforced", async () => {
    const Thing = model({ a: { type: Number, index: true }, b: { type: String, unique: true } }, {});
    await Thing.createCollection();
    await Thing.syncIndexes();
    assert.deepEqual((await Thing.listIndexes()).map(({ name }) => name).sort(), ["_id_", "a_1", "b_1"]);
    assert.deepEqual(await Thing.syncIndexes(), []);
    await Thing.create({ b: "x" });
    const error = await rejection(Thing.create({ b: "x" }), 11000);
    assert.deepEqual(error["keyValue"], { b: "x" });
    const names = (await store.connection.listCollections()).map(({ name }) => name);
    assert.ok(names.includes(Thing.collection.name));
  });

  test("autoIndex and autoCreate are done when init is", async () => {
    const Thing = model({ b: { type: String, unique: true } }, { autoIndex: true, autoCreate: true });
    await Thing.init();
    assert.deepEqual(
      (await Thing.listIndexes()).map(({ name }) => name),
      ["_id_", "b_1"],
    );
  });

  test("insertMany, bulkWrite, bulkSave and updates through a model", async () => {
    const Thing = model({ k: { type: Number, required: true }, v: Number }, { timestamps: true });
    const inserted = await Thing.insertMany([{ k: 1 }, {}, { k: 2 }], { ordered: false, rawResult: true });
    assert.equal(inserted.insertedCount, 2);
    const bulk = await Thing.bulkWrite([
      { updateOne: { filter: { k: 3 }, update: { $set: { v: 1 } }, upsert: true } },
      { insertOne: { document: { k: 4 } } },
    ]);
    assert.equal(bulk.upsertedCount, 1);
    assert.ok((await Thing.findOne({ k: 3 }).lean())?.["createdAt"] instanceof Date);
    const documents = await Thing.find().sort("k");
    for (const document of documents) document.set("v", 9);
    await Thing.bulkSave(documents);
    assert.equal(await Thing.countDocuments({ v: 9 }), 4);
    const updated = await Thing.findOneAndUpdate({ k: 1 }, { $inc: { v: 1 } }, { returnDocument: "after" }).lean();
    assert.equal(updated?.["v"], 10);
    assert.ok(await Thing.exists({ k: 1 }));
    assert.equal(await Thing.exists({ k: 99 }), null);
    assert.deepEqual((await Thing.distinct("k")).sort(), [1, 2, 3, 4]);
    assert.equal(await Thing.where("k").gt(2).countDocuments(), 2);
    assert.equal((await Thing.deleteMany({ k: { $gt: 2 } })).deletedCount, 2);
  });

  test("a model's cursor gives documents of the model", async () => {
    const Thing = model({ i: Number });
    await Thing.insertMany(Array.from({ length: 250 }, (_, i) => ({ i })));
    let count = 0;
    for await (const document of Thing.find().sort({ i: -1 }).cursor({ batchSize: 50 })) {
      assert.ok(document instanceof Thing);
      if (count++ === 0) assert.equal(document.get("i"), 249);
    }
    assert.equal(count, 250);
  });

  test("useDb is another database", async () => {
    const other = store.connection.useDb(`other${process.pid}`);
    const Thing = other.model(store.name(), new Schema({ a: Number }, { autoIndex: false, autoCreate: false }));
    await Thing.create({ a: 1 });
    assert.equal(await Thing.countDocuments(), 1);
    assert.equal(await store.connection.db?.collection(Thing.collection.name).countDocuments(), 0);
    await other.dropDatabase();
    assert.equal(await Thing.countDocuments(), 0);
  });
}
