import assert from "node:assert/strict";
import { after, test } from "node:test";
import mongoose from "mongoose";
import { connectEmbedded } from "../../../lib/embedded-mongo/driver.ts";

const { Code, DBRef, Decimal128, Long, MaxKey, MinKey, Timestamp } = mongoose.mongo;

const connection = await connectEmbedded(":memory:");
after(() => connection.close());
const { db } = connection;
assert.ok(db);
const all = db.collection("things");
const original = { _id: 1, a: 1, tags: ["x", "y"], at: new Date(0), s: "abc" };
await all.insertOne({ ...original } as never);

/** The refused feature, as the error names it, and how somebody might ask for it. */
type Refusal = [names: string, attempt: () => unknown];

// The driver's types know much less than the server: `never` lets every shape through.
const find = (filter: object): Refusal => {
  const name = JSON.stringify(filter)
    .match(/\$\w+/g)
    ?.find((operator) => !["$not", "$and", "$or", "$nor", "$elemMatch"].includes(operator));
  return [name ?? "", () => all.find(filter as never).toArray()];
};
const update = (change: object, names = JSON.stringify(change).match(/\$\w+/)?.[0] ?? ""): Refusal => [
  names,
  () => all.updateOne({ _id: 1 } as never, change as never),
];
const store = (value: unknown, names: string): Refusal => [names, () => all.insertOne({ deep: [{ value }] } as never)];
const pattern = ($regex: string, names: string): Refusal => [names, () => all.find({ s: { $regex } }).toArray()];
const withOption = (name: string, value: unknown): Refusal[] => [
  [name, () => all.find({}, { [name]: value } as never).toArray()],
  [name, () => all.findOne({}, { [name]: value } as never)],
  [name, () => all.updateOne({}, { $set: { a: 2 } }, { [name]: value } as never)],
  [name, () => all.deleteMany({}, { [name]: value } as never)],
  [name, () => all.bulkWrite([{ deleteOne: { filter: {}, [name]: value } as never }])],
  [name, () => all.findOneAndDelete({}, { [name]: value } as never)],
  [name, () => all.countDocuments({}, { [name]: value } as never)],
];

const REFUSALS: Record<string, Refusal[]> = {
  "filter operators": [
    find({ $where: "this.a" }),
    find({ $expr: { $gt: ["$a", 1] } }),
    find({ $jsonSchema: { required: ["a"] } }),
    find({ $text: { $search: "x" } }),
    find({ $comment: "x" }),
    find({ $or: [{ a: 2 }, { $and: [{ $sampleRate: 1 }] }] }),
    find({ a: { $mod: [2, 0] } }),
    find({ a: { $not: { $mod: [2, 0] } } }),
    find({ a: { $bitsAllSet: 1 } }),
    find({ a: { $bitsAnyClear: 1 } }),
    find({ a: { $near: [1, 2] } }),
    find({ a: { $nearSphere: [1, 2] } }),
    find({ a: { $geoWithin: { $box: [] } } }),
    find({ a: { $geoIntersects: {} } }),
    find({ tags: { $elemMatch: { $mod: [2, 0] } } }),
    find({ $nor: [{ a: { $where: "1" } }] }),
    ["a.$", () => all.find({ "a.$": 1 }).toArray()],
    ["$ref", () => all.find({ a: { $ref: "things", $id: 1 } } as never).toArray()],
    ["$eq with a RegExp", () => all.find({ s: { $eq: /a/ } } as never).toArray()],
    ...["int", "long", "double", "decimal", "timestamp", "regex", "minKey", 16, 1].map(
      (type): Refusal => [`$type ${type}`, () => all.find({ a: { $type: type } } as never).toArray()],
    ),
  ],
  "regular expressions": [
    pattern("a++", "$regex"),
    pattern("(?i)a", "$regex"),
    pattern("(?>a)", "$regex"),
    pattern("[[:alpha:]]", "POSIX"),
    pattern("[]a]", "class"),
    pattern("\\Aa", "\\A"),
    pattern("a\\Z", "\\Z"),
    pattern("\\Qa\\E", "\\Q"),
    pattern("(a)\\1", "\\1"),
    pattern("\\h", "\\h"),
    pattern("\\u0061", "\\u"),
    pattern("\\p{L}", "\\p"),
    pattern("a{,3}", "$regex"),
    ["option x", () => all.find({ s: { $regex: "a b", $options: "x" } }).toArray()],
    ...["g", "s", "y", "d", "v"].map(
      (flag): Refusal => [`flag ${flag}`, () => all.find({ s: new RegExp("a", flag) }).toArray()],
    ),
  ],
  "update operators": [
    update({ $rename: { a: "b" } }),
    update({ $mul: { a: 2 } }),
    update({ $pop: { tags: 1 } }),
    update({ $bit: { a: { and: 1 } } }),
    update({ $set: { "tags.$": 1 } }, "positional operator $"),
    update({ $set: { "tags.$[]": 1 } }, "$[]"),
    update({ $inc: { "tags.$[e]": 1 } }, "$[e]"),
    update({ $push: { tags: { $each: [1], $sort: 1 } } }, "$sort"),
    update({ $push: { tags: { $each: [1], $position: 0 } } }, "$position"),
    update({ $currentDate: { at: { $type: "timestamp" } } }, "timestamp"),
    update({ $set: { o: { $x: 1 } } }, "$x"),
    update({ $set: { "__proto__.x": 1 } }, "__proto__"),
    update([{ $set: { b: "$a" } }], "pipeline"),
    update({ $inc: { a: Number.MAX_SAFE_INTEGER } }, "2^53"),
    ["pipeline", () => all.findOneAndUpdate({}, [{ $set: { b: 1 } }])],
    ["$in of one value", () => all.updateOne({ a: { $in: [5] } }, { $set: { b: 1 } }, { upsert: true })],
  ],
  "stored types": [
    store(Decimal128.fromString("1.5"), "Decimal128"),
    store(Long.fromString("9007199254740993"), "2^53"),
    store(2n ** 60n, "2^53"),
    store(new Timestamp({ t: 1, i: 1 }), "Timestamp"),
    store(new MinKey(), "MinKey"),
    store(new MaxKey(), "MaxKey"),
    store(new Code("1"), "Code"),
    store(new DBRef("things", new mongoose.Types.ObjectId()), "DBRef"),
    store(/a/, "RegExp"),
    store(Symbol("s"), "symbol"),
    store(new Date(Number.NaN), "invalid Date"),
    store({ $x: 1 }, "$x"),
    store(JSON.parse('{"__proto__":1}'), "__proto__"),
    ["Decimal128", () => all.find({ a: Decimal128.fromString("1") }).toArray()],
    ["MinKey", () => all.find({ a: { $gt: new MinKey() } } as never).toArray()],
  ],
  projections: [
    ["$slice", () => all.findOne({}, { projection: { tags: { $slice: 1 } } })],
    ["$elemMatch", () => all.findOne({}, { projection: { tags: { $elemMatch: { x: 1 } } } })],
    ["$meta", () => all.findOne({}, { projection: { score: { $meta: "textScore" } } })],
    ["tags.$", () => all.findOne({ tags: "x" }, { projection: { "tags.$": 1 } })],
    ["$add", () => all.findOne({}, { projection: { b: { $add: ["$a", 1] } } })],
    ["string", () => all.findOne({}, { projection: { b: "$a" } })],
    ["field o", () => all.findOne({}, { projection: { o: { x: 1 } } })],
    ["$slice", () => all.findOneAndUpdate({}, { $set: { z: 1 } }, { projection: { tags: { $slice: 1 } } })],
  ],
  "sorts and distinct": [
    [
      "$meta",
      () =>
        all
          .find()
          .sort({ score: { $meta: "textScore" } })
          .toArray(),
    ],
    ["a.$", () => all.find().sort({ "a.$": 1 }).toArray()],
    ["a.$", () => all.distinct("a.$")],
    [
      "two paths with arrays",
      async () => {
        const other = db.collection("arrays");
        await other.insertOne({ x: [1], y: [2] });
        await other.find().sort({ x: 1, y: 1 }).toArray();
      },
    ],
  ],
  options: [
    ...withOption("collation", { locale: "en", strength: 2 }),
    ...withOption("hint", { a: 1 }),
    ...withOption("session", { id: 1 }),
    ...withOption("let", { x: 1 }),
    ["arrayFilters", () => all.updateOne({}, { $set: { a: 1 } }, { arrayFilters: [{ e: 1 }] })],
    ["sort", () => all.updateOne({}, { $set: { a: 1 } }, { sort: { a: 1 } })],
    ["sort", () => all.replaceOne({}, { a: 1 }, { sort: { a: 1 } })],
    ["min", () => all.find({}, { min: { a: 1 } }).toArray()],
    ["max", () => all.find().max({ a: 1 }).toArray()],
    ["hint", () => all.find().hint("a_1").toArray()],
    ["collation", () => all.find().collation({ locale: "de" }).toArray()],
    ["returnKey", () => all.find().returnKey(true).toArray()],
    ["showRecordId", () => all.find().showRecordId(true).toArray()],
    ["tailable", () => all.find().addCursorFlag("tailable", true).toArray()],
    ["explain", () => all.find().explain()],
    ["promoteValues", () => all.find({}, { promoteValues: false }).toArray()],
    ["promoteLongs", () => all.findOne({}, { promoteLongs: false })],
    ["useBigInt64", () => all.findOne({}, { useBigInt64: true })],
    ["ignoreUndefined", () => all.insertOne({ b: undefined }, { ignoreUndefined: true })],
    ["w: 0", () => all.insertOne({ b: 1 }, { writeConcern: { w: 0 } })],
  ],
  indexes: [
    ["text", () => all.createIndex({ s: "text" })],
    ["2dsphere", () => all.createIndex({ a: "2dsphere" })],
    ["2d", () => all.createIndex({ a: "2d" })],
    ["hashed", () => all.createIndex({ a: "hashed" })],
    ["$**", () => all.createIndex({ "$**": 1 })],
    ["direction 2", () => all.createIndex({ a: 2 } as never)],
    ["collation", () => all.createIndex({ s: 1 }, { collation: { locale: "en" } })],
    ["hidden", () => all.createIndex({ s: 1 }, { hidden: true })],
    ["unique index over an array", () => all.createIndex({ tags: 1 }, { unique: true })],
    ["weights", () => all.createIndexes([{ key: { s: 1 }, weights: { s: 1 } }])],
    ["dropIndex by key", () => all.dropIndex({ a: 1 } as never)],
    [
      "unique index over an array",
      async () => {
        const other = db.collection("unique_later");
        await other.createIndex({ tag: 1 }, { unique: true });
        await other.insertOne({ tag: "a" });
        await other.insertOne({ tag: ["b"] });
      },
    ],
  ],
  commands: [
    ["$match", () => all.aggregate([{ $match: {} }]).toArray()],
    ["$group", () => db.aggregate([{ $group: { _id: 1 } }]).toArray()],
    ["watch", () => all.watch()],
    ["watch", () => db.watch()],
    ["sessions", () => connection.startSession()],
    ["transactions", () => connection.transaction(async () => undefined)],
    ["rename", () => all.rename("other")],
    ["count", () => all.count()],
    ["initializeOrderedBulkOp", () => all.initializeOrderedBulkOp()],
    ["createSearchIndex", () => all.createSearchIndex({ definition: {} })],
    ["listSearchIndexes", () => all.listSearchIndexes()],
    ["runCursorCommand", () => db.runCursorCommand({ find: "things" })],
    ["serverStatus", () => db.command({ serverStatus: 1 })],
    ["find", () => db.command({ find: "things" })],
    ["replSetGetStatus", () => db.admin().command({ replSetGetStatus: 1 })],
    ["stats", () => db.stats()],
    ["renameCollection", () => db.renameCollection("things", "other")],
    ["setProfilingLevel", () => db.setProfilingLevel("all")],
    ["removeUser", () => db.removeUser("u")],
    ["count", () => all.find().count()],
    ["withReadPreference", () => all.find().withReadPreference("secondary")],
    ["maxAwaitTimeMS", () => all.find().maxAwaitTimeMS(1)],
    ["capped", () => db.createCollection("capped", { capped: true, size: 1000 })],
    ["timeseries", () => db.createCollection("series", { timeseries: { timeField: "at" } })],
    ["validator", () => db.createCollection("checked", { validator: { a: 1 } })],
    ["collation", () => db.createCollection("collated", { collation: { locale: "en" } })],
    ["viewOn", () => db.createCollection("view", { viewOn: "things", pipeline: [] })],
    ["clusteredIndex", () => db.createCollection("clustered", { clusteredIndex: { key: { _id: 1 }, unique: true } })],
  ],
};

for (const [area, refusals] of Object.entries(REFUSALS))
  for (const [index, [names, attempt]] of refusals.entries())
    test(`${area} ${index + 1}: ${names} is refused by name, and nothing is written`, async () => {
      await assert.rejects(
        async () => attempt(),
        (error: unknown) => {
          assert.ok(error instanceof mongoose.mongo.MongoServerError, String(error));
          assert.equal(error.code, 115, error.message);
          assert.ok(error.message.includes(names), `${error.message} does not name ${names}`);
          return true;
        },
      );
      assert.deepEqual(await all.find().toArray(), [original]);
    });

test("a model's refused operations name themselves, too", async () => {
  const schema = new mongoose.Schema({ a: Number }, { autoIndex: false, autoCreate: false });
  const Thing = connection.model("Refused", schema);
  const refused = (names: RegExp) => ({ code: 115, message: names });
  await assert.rejects(async () => Thing.aggregate([{ $lookup: {} } as never]), refused(/\$lookup/));
  await assert.rejects(async () => Thing.find().collation({ locale: "en" }), refused(/collation/));
  await assert.rejects(async () => Thing.find({ $where: "1" }), refused(/\$where/));
  await assert.rejects(
    async () => Thing.updateOne({}, [{ $set: { a: 1 } }], { updatePipeline: true }),
    refused(/pipeline/),
  );
  await assert.rejects(async () => Thing.startSession(), refused(/sessions/));
});
