import assert from "node:assert/strict";
import mongoose from "mongoose";
import { ids, type RawDocument, rejection, type Store } from "./suite.ts";

const { Binary, Long, ObjectId } = mongoose.mongo;
const T0 = Date.UTC(2026, 0, 1);
const A = new ObjectId("65a000000000000000000001");
const B = new ObjectId("65a000000000000000000002");

/** Documents numbered from 1, and which of them each filter finds. */
interface Case {
  rule: string;
  documents: RawDocument[];
  finds: [filter: RawDocument, ids: number[]][];
}

const mixed = [5, "z", new Date(T0), null, true, A, [7], { x: 1 }, undefined].map((a) =>
  a === undefined ? {} : { a },
);

const CASES: Case[] = [
  {
    rule: "comparisons, $in, $nin, $ne and the logical operators",
    documents: [{ a: 1 }, { a: 2 }, { a: 3 }, { b: 1 }],
    finds: [
      [{ a: 1 }, [1]],
      [{ a: { $eq: 2 } }, [2]],
      [{ a: { $gt: 1, $lte: 3 } }, [2, 3]],
      [{ a: { $in: [1, 3] } }, [1, 3]],
      [{ a: { $in: [] } }, []],
      [{ a: { $nin: [1, 3] } }, [2, 4]],
      [{ a: { $ne: 1 } }, [2, 3, 4]],
      [{ $or: [{ a: 1 }, { b: 1 }] }, [1, 4]],
      [{ $and: [{ a: { $gt: 1 } }, { a: { $lt: 3 } }] }, [2]],
      [{ $nor: [{ a: 1 }, { b: 1 }] }, [2, 3]],
      [{ a: { $not: { $gte: 2 } } }, [1, 4]],
      [{ a: { $not: { $gt: 1, $lt: 3 } } }, [1, 3, 4]],
      [{ a: 1, b: { $exists: false } }, [1]],
    ],
  },
  {
    rule: "null matches null and missing; $exists tells them apart",
    documents: [{ a: null }, {}, { a: 0 }, { a: "s" }, { a: [null] }, { a: [] }],
    finds: [
      [{ a: null }, [1, 2, 5]],
      [{ a: { $ne: null } }, [3, 4, 6]],
      [{ a: { $in: [null, "s"] } }, [1, 2, 4, 5]],
      [{ a: { $exists: true } }, [1, 3, 4, 5, 6]],
      [{ a: { $exists: false } }, [2]],
      [{ a: { $gte: null } }, [1, 2, 5]],
      [{ a: { $gt: null } }, []],
    ],
  },
  {
    rule: "a comparison stays within the type of its operand",
    documents: mixed,
    finds: [
      [{ a: { $gt: 1 } }, [1, 7]],
      [{ a: { $lt: 100 } }, [1, 7]],
      [{ a: { $gte: "" } }, [2]],
      [{ a: { $lt: "~" } }, [2]],
      [{ a: { $lte: new Date(T0) } }, [3]],
      [{ a: { $gt: new Date(T0 - 1) } }, [3]],
      [{ a: { $gte: false } }, [5]],
      [{ a: { $lt: B } }, [6]],
      [{ a: { $gt: {} } }, [8]],
      [{ a: { $gt: [] } }, [7]],
      [{ a: 1 }, []],
      [{ a: true }, [5]],
    ],
  },
  {
    rule: "NaN equals itself only, infinities are numbers, -0 is 0",
    documents: [
      { a: Number.NaN },
      { a: 1 },
      { a: Number.POSITIVE_INFINITY },
      { a: Number.NEGATIVE_INFINITY },
      { a: -0 },
    ],
    finds: [
      [{ a: Number.NaN }, [1]],
      [{ a: { $gte: Number.NaN } }, [1]],
      [{ a: { $gt: 0 } }, [2, 3]],
      [{ a: { $lt: 0 } }, [4]],
      [{ a: 0 }, [5]],
    ],
  },
  {
    rule: "an array matches by its elements and as a whole",
    documents: [{ t: ["a", "b"] }, { t: "b" }, { t: [1, 9] }, { t: [["a", "b"]] }, { t: [] }],
    finds: [
      [{ t: "b" }, [1, 2]],
      [{ t: ["a", "b"] }, [1, 4]],
      [{ t: ["b", "a"] }, []],
      [{ t: { $gt: 8 } }, [3]],
      [{ t: { $gt: 2, $lt: 8 } }, [3]],
      [{ t: { $ne: "b" } }, [3, 4, 5]],
      [{ t: { $nin: ["a", 1] } }, [2, 4, 5]],
      [{ t: [] }, [5]],
      [{ "t.0": "a" }, [1]],
      [{ "t.1": 9 }, [3]],
    ],
  },
  {
    rule: "$all, $size and $elemMatch look at one array",
    documents: [
      {
        g: [
          { k: 1, v: 2 },
          { k: 2, v: 1 },
        ],
      },
      { g: [{ k: 1, v: 1 }] },
      { a: [1, 2, 3] },
      { a: [5, 12] },
      { a: 3 },
    ],
    finds: [
      [{ g: { $elemMatch: { k: 1, v: 1 } } }, [2]],
      [{ "g.k": 1, "g.v": 1 }, [1, 2]],
      [{ g: { $elemMatch: { $or: [{ v: 2 }, { k: 9 }] } } }, [1]],
      [{ a: { $elemMatch: { $gt: 5, $lt: 10 } } }, []],
      [{ a: { $gt: 5, $lt: 10 } }, [4]],
      [{ a: { $all: [3, 1] } }, [3]],
      [{ a: { $all: [3] } }, [3, 5]],
      [{ a: { $all: [] } }, []],
      [{ g: { $all: [{ $elemMatch: { k: 1 } }, { $elemMatch: { k: 2 } }] } }, [1]],
      [{ g: { $size: 2 } }, [1]],
      [{ a: { $size: 0 } }, []],
      [{ g: { $not: { $size: 2 } } }, [2, 3, 4, 5]],
    ],
  },
  {
    rule: "a dotted path goes through documents, arrays of documents and array numbers",
    documents: [{ g: [{ k: 1 }, { k: 2 }] }, { g: { k: 2 } }, { g: [{ k: 3 }] }, { g: 5 }, { g: [[{ k: 2 }]] }],
    finds: [
      [{ "g.k": 2 }, [1, 2]],
      [{ "g.0.k": 3 }, [3]],
      [{ "g.1.k": 2 }, [1]],
      [{ "g.k": { $exists: false } }, [4, 5]],
      [{ "g.k": { $ne: 2 } }, [3, 4, 5]],
    ],
  },
  {
    rule: "documents are equal with the same fields in the same order",
    documents: [{ o: { a: 1, b: 2 } }, { o: { b: 2, a: 1 } }, { o: { a: 1, b: 2, c: 3 } }, { o: {} }],
    finds: [
      [{ o: { a: 1, b: 2 } }, [1]],
      [{ o: { $in: [{ b: 2, a: 1 }] } }, [2]],
      [{ o: {} }, [4]],
      [{ "o.a": 1, "o.b": 2 }, [1, 2, 3]],
    ],
  },
  {
    rule: "$regex matches strings, also inside arrays; ^ and $ and . are PCRE's",
    documents: [
      { s: "Alpha" },
      { s: "beta" },
      { s: "ALP" },
      { s: ["x", "beta"] },
      { s: "one\ntwo" },
      { s: 7 },
      { s: "end\n" },
    ],
    finds: [
      [{ s: { $regex: "^alp", $options: "i" } }, [1, 3]],
      [{ s: /^b/ }, [2, 4]],
      [{ s: { $regex: /^ALP$/ } }, [3]],
      [{ s: { $in: [/^A/, "beta"] } }, [1, 2, 3, 4]],
      [{ s: { $not: /a$/ } }, [3, 5, 6, 7]],
      [{ s: { $regex: "^two", $options: "m" } }, [5]],
      [{ s: { $regex: "one.two" } }, []],
      [{ s: { $regex: "one.two", $options: "s" } }, [5]],
      [{ s: { $regex: "end$" } }, [7]],
      [{ s: { $regex: "\\w{5}" } }, [1]],
    ],
  },
  {
    rule: "$type by alias and by number, elements of arrays included",
    documents: [...mixed, { a: new Binary(Buffer.from("x")) }],
    finds: [
      [{ a: { $type: "number" } }, [1, 7]],
      [{ a: { $type: "string" } }, [2]],
      [{ a: { $type: 9 } }, [3]],
      [{ a: { $type: "null" } }, [4]],
      [{ a: { $type: "bool" } }, [5]],
      [{ a: { $type: "objectId" } }, [6]],
      [{ a: { $type: "array" } }, [7]],
      [{ a: { $type: ["object", "binData"] } }, [8, 10]],
    ],
  },
  {
    rule: "ObjectIds, dates, binaries and 64-bit integers compare by value",
    documents: [
      { o: A, d: new Date(T0), b: new Binary(Buffer.from([1, 2])), l: Long.fromNumber(2 ** 40) },
      { o: B, d: new Date(T0 + 1), b: new Binary(Buffer.from([1, 3])), l: 5 },
    ],
    finds: [
      [{ o: new ObjectId(A.toHexString()) }, [1]],
      [{ o: { $gt: A } }, [2]],
      [{ d: new Date(T0 + 1) }, [2]],
      [{ d: { $gte: new Date(T0), $lt: new Date(T0 + 1) } }, [1]],
      [{ b: new Binary(Buffer.from([1, 3])) }, [2]],
      [{ l: 2 ** 40 }, [1]],
      [{ l: { $lt: 2 ** 40 } }, [2]],
    ],
  },
  {
    rule: "strings compare by UTF-8 bytes and may hold anything",
    documents: [
      { s: "\u{1F600}" },
      { s: "\uFFFD" },
      { s: "~tilde" },
      { s: "a\0b" },
      { s: 'quo"te' },
      { s: "[1]" },
      { s: '{"a":1}' },
    ],
    finds: [
      [{ s: { $gt: "\uFFFD" } }, [1]],
      [{ s: "~tilde" }, [3]],
      [{ s: "a\0b" }, [4]],
      [{ s: { $gt: "a", $lt: "b" } }, [4]],
      [{ s: 'quo"te' }, [5]],
      [{ s: { $in: ["[1]", '{"a":1}'] } }, [6, 7]],
    ],
  },
];

export function filterRules(store: Store): void {
  const { test } = store;
  for (const { rule, documents, finds } of CASES)
    for (const indexed of [false, true])
      test(`${rule}${indexed ? ", with indexes on the fields" : ""}`, async () => {
        const collection = await store.seed(...documents);
        if (indexed) {
          const paths = new Set(
            finds.flatMap(([filter]) => Object.keys(filter)).filter((path) => !path.startsWith("$")),
          );
          for (const path of paths) if (!/\.\d/.test(path)) await collection.createIndex({ [path]: 1 });
        }
        for (const [filter, expected] of finds)
          assert.deepEqual(await ids(collection, filter), expected, JSON.stringify(filter));
      });

  const wrong: [string, RawDocument][] = [
    ["an unknown operator", { a: { $foo: 1 } }],
    ["an unknown top-level operator", { $foo: [] }],
    ["$in without an array", { a: { $in: 1 } }],
    ["$or without an array", { $or: {} }],
    ["an empty $and", { $and: [] }],
    ["$size of a fraction", { a: { $size: 1.5 } }],
    ["$not of a value", { a: { $not: 1 } }],
    ["$elemMatch of a value", { a: { $elemMatch: 1 } }],
    ["an unknown $type", { a: { $type: "integer" } }],
    ["$options without $regex", { a: { $options: "i" } }],
    ["a field among operators", { a: { $gt: 1, b: 2 } }],
  ];
  for (const [what, filter] of wrong)
    test(`${what} is error 2`, async () => {
      const collection = await store.seed({ a: 1 });
      await rejection(collection.find(filter).toArray(), 2);
    });
}
