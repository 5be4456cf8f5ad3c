import assert from "node:assert/strict";
import { after, test } from "node:test";
import mongoose from "mongoose";
import { connectEmbedded } from "../../../lib/embedded-mongo/driver.ts";
import { randomDocument, randomFilter, randomSort, seededRandom } from "./random-queries.ts";

const SEED = 20_260_101;
const ROUNDS = 12;
const DOCUMENTS = 60;
const QUERIES = 300;

const connection = await connectEmbedded(":memory:");
after(() => connection.close());
const { db } = connection;
assert.ok(db);

const INDEXES = [
  [{ a: 1 }, { b: -1 }, { "c.d": 1 }, { a: 1, b: 1 }],
  [{ b: 1, a: -1 }, { "c.d": -1, _id: 1 }, { "c.e.0": 1 }],
] as const;

for (let round = 0; round < ROUNDS; round++)
  test(`random filters and sorts find the same with an index as without (seed ${SEED + round})`, async () => {
    const random = seededRandom(SEED + round);
    const plain = db.collection(`plain${round}`);
    const indexed = db.collection(`indexed${round}`);
    // Half of the indexes before the documents, half after: both ways of learning what a path holds.
    for (const key of INDEXES[0]) await indexed.createIndex(key as never);
    // Few kinds in some rounds, so that paths without arrays and sorts by index are met as well.
    const documents = Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, ...randomDocument(random, round % 4) }));
    // In a compound index two arrays are an error: such documents are left out of both collections.
    for (const document of documents) {
      const refused = await indexed.insertOne({ ...document } as never).catch((error: { code: number }) => error.code);
      if (typeof refused !== "number") await plain.insertOne({ ...document } as never);
      else assert.equal(refused, 171);
    }
    for (const key of INDEXES[1])
      await indexed.createIndex(key as never).catch(({ code }: { code: number }) => assert.equal(code, 171));

    for (let i = 0; i < QUERIES; i++) {
      const filter = randomFilter(random, round % 4);
      const sort = randomSort(random);
      const what = `${JSON.stringify(filter)} by ${JSON.stringify(sort)}`;
      const options = { skip: Math.floor(random() * 3), limit: Math.floor(random() * 20) };
      const results = await Promise.all(
        [plain, indexed].map((collection) =>
          collection
            .find(filter as never, options)
            .sort(sort as never)
            .toArray()
            .catch(({ code }: { code: number }) => code),
        ),
      );
      assert.deepEqual(results[1], results[0], what);
      assert.equal(await indexed.countDocuments(filter as never), await plain.countDocuments(filter as never), what);
    }
    assert.deepEqual(await indexed.find().sort({ _id: 1 }).toArray(), await plain.find().sort({ _id: 1 }).toArray());
  });

test("random updates and deletes change the same documents with an index as without", async () => {
  const random = seededRandom(SEED - 1);
  const plain = db.collection("plain_updates");
  const indexed = db.collection("indexed_updates");
  await indexed.createIndex({ a: 1 });
  await indexed.createIndex({ "c.d": 1 });
  for (let _id = 0; _id < 100; _id++) {
    const document = { _id, ...randomDocument(random, 0) };
    for (const collection of [plain, indexed]) await collection.insertOne(structuredCloneOf(document) as never);
  }
  for (let i = 0; i < 500; i++) {
    const filter = { _id: { $lt: Math.floor(random() * 100) }, ...randomFilter(random, 0) };
    const { a, b } = randomDocument(random, 0);
    const changes = [
      { $set: { "c.d": a ?? null } },
      { $set: { a: b ?? null } },
      { $unset: { a: 1 } },
      { $push: { b: 1 } },
      { $inc: { a: 1 } },
      { $min: { a: b ?? 1 } },
    ];
    const change = changes[Math.floor(random() * changes.length)];
    const outcome = async (collection: typeof plain) => {
      if (i % 25 === 0) return (await collection.deleteOne(filter as never)).deletedCount;
      return collection.updateMany(filter as never, change as never).then(
        ({ matchedCount, modifiedCount }) => [matchedCount, modifiedCount],
        ({ code }: { code: number }) => code,
      );
    };
    const expected = await outcome(plain);
    // An update that fails midway keeps what it changed before; which that is depends on the order of the rows.
    if (typeof expected === "number" && i % 25 !== 0) {
      await indexed.deleteMany({});
      const documents = await plain.find().toArray();
      if (documents.length > 0) await indexed.insertMany(documents);
    } else assert.deepEqual(await outcome(indexed), expected, JSON.stringify([filter, change]));
    assert.deepEqual(await indexed.find().sort({ _id: 1 }).toArray(), await plain.find().sort({ _id: 1 }).toArray());
  }
});

/** A copy that keeps ObjectIds. */
function structuredCloneOf(document: Record<string, unknown>): Record<string, unknown> {
  return mongoose.mongo.BSON.deserialize(mongoose.mongo.BSON.serialize(document));
}
