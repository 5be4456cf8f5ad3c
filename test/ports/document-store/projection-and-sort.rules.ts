import assert from "node:assert/strict";
import mongoose from "mongoose";
import { type RawDocument, rejection, type Store } from "./suite.ts";

const { Binary, ObjectId } = mongoose.mongo;

const PROJECTIONS: [projection: RawDocument, expected: RawDocument][] = [
  [{ a: 1 }, { _id: 1, a: 1 }],
  [{ a: true, _id: 0 }, { a: 1 }],
  [{ "b.c": 1 }, { _id: 1, b: { c: 1 } }],
  [
    { l: 1, a: 1 },
    { _id: 1, a: 1, l: [{ k: 1, v: 2 }, 3, { k: 4 }] },
  ],
  [{ "l.k": 1 }, { _id: 1, l: [{ k: 1 }, { k: 4 }] }],
  [{ "a.x": 1 }, { _id: 1 }],
  [
    { b: 0, l: 0 },
    { _id: 1, a: 1 },
  ],
  [
    { "b.c": 0, "l.k": 0 },
    { _id: 1, a: 1, b: { d: 2 }, l: [{ v: 2 }, 3, {}] },
  ],
  [{ _id: 0 }, { a: 1, b: { c: 1, d: 2 }, l: [{ k: 1, v: 2 }, 3, { k: 4 }] }],
  [{ _id: 1 }, { _id: 1 }],
  [{}, { _id: 1, a: 1, b: { c: 1, d: 2 }, l: [{ k: 1, v: 2 }, 3, { k: 4 }] }],
];

export function projectionAndSortRules(store: Store): void {
  const { test } = store;
  test("a projection includes or excludes fields, through arrays, in the document's order", async () => {
    const collection = await store.seed({ a: 1, b: { c: 1, d: 2 }, l: [{ k: 1, v: 2 }, 3, { k: 4 }] });
    for (const [projection, expected] of PROJECTIONS) {
      const found = await collection.findOne({}, { projection });
      assert.deepEqual(found, expected, JSON.stringify(projection));
      assert.deepEqual(Object.keys(found ?? {}), Object.keys(expected));
      assert.deepEqual(await collection.find({}).project(projection).toArray(), [expected]);
    }
  });

  test("a projection that includes and excludes is refused", async () => {
    const collection = await store.seed({ a: 1, b: 1 });
    await rejection(collection.findOne({}, { projection: { a: 1, b: 0 } }), 31254);
    await rejection(collection.findOne({}, { projection: { a: 0, b: 1 } }), 31253);
    await rejection(collection.findOne({}, { projection: { a: 1, "a.b": 1 } }), 31249);
  });

  const values: unknown[] = [
    new Date(0),
    true,
    new ObjectId("65a000000000000000000001"),
    [],
    { x: 1 },
    "s",
    1,
    null,
    undefined,
    new Binary(Buffer.from("b")),
    false,
    -1.5,
    "r",
    Number.NaN,
  ];
  const sorted = [4, 8, 9, 14, 12, 7, 13, 6, 5, 10, 3, 11, 2, 1];
  for (const indexed of [false, true])
    test(`a sort goes by BSON type, then value${indexed ? ", with an index" : ""}`, async () => {
      const collection = await store.seed(...values.map((a) => (a === undefined ? {} : { a })));
      if (indexed) await collection.createIndex({ a: 1 });
      const upward = await collection.find().sort({ a: 1, _id: 1 }).toArray();
      assert.deepEqual(
        upward.map(({ _id }) => _id),
        sorted,
      );
      const downward = await collection.find().sort({ a: -1, _id: -1 }).toArray();
      assert.deepEqual(
        downward.map(({ _id }) => _id),
        sorted.toReversed(),
      );
    });

  test("an array sorts by its lowest element upward, by its highest downward", async () => {
    const collection = await store.seed({ a: [3, 10] }, { a: [5] }, { a: 4 }, { a: [{ b: 1 }, 12] });
    const order = async (direction: 1 | -1) =>
      (await collection.find().sort({ a: direction }).toArray()).map(({ _id }) => _id);
    assert.deepEqual(await order(1), [1, 3, 2, 4]);
    assert.deepEqual(await order(-1), [4, 1, 2, 3]);
  });

  test("a sort through an array of documents takes the lowest and highest, too", async () => {
    const collection = await store.seed({ g: [{ k: 9 }, { k: 1 }] }, { g: [{ k: 5 }] }, { g: { k: 0 } }, { g: [{}] });
    const order = async (direction: 1 | -1) =>
      (await collection.find().sort({ "g.k": direction }).toArray()).map(({ _id }) => _id);
    assert.deepEqual(await order(1), [4, 3, 1, 2]);
    assert.deepEqual(await order(-1), [1, 2, 3, 4]);
  });

  test("sort, skip and limit work together, by several fields, in every notation of the driver", async () => {
    const collection = await store.seed(...Array.from({ length: 20 }, (_, i) => ({ a: i % 4, b: i })));
    const expected = [
      [3, 15],
      [3, 19],
      [2, 2],
      [2, 6],
    ];
    for (const sort of [
      { a: -1, b: 1 },
      [
        ["a", "desc"],
        ["b", "asc"],
      ],
      new Map([
        ["a", -1],
        ["b", 1],
      ]),
    ]) {
      const found = await collection
        .find()
        .sort(sort as never)
        .skip(3)
        .limit(4)
        .toArray();
      assert.deepEqual(
        found.map(({ a, b }) => [a, b]),
        expected,
      );
    }
    const negative = await collection.find().sort("b", -1).limit(-2).toArray();
    assert.deepEqual(
      negative.map(({ b }) => b),
      [19, 18],
    );
  });
}
