import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "cborg";
import { items, rejection, valuesOf } from "../payload.ts";

const CBOR = "application/cbor";
const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
/** Unsorted, as devices send it. */
const cbor = (value: unknown) => Buffer.from(encode(value, { mapSorter: () => 0 }));

test("CBOR says what JSON would have said", () => {
  const TS = 1594598400000;
  for (const value of [
    { temperature: 21.5, on: true, state: "idle", count: -7 },
    { ts: TS, values: { t: 1 }, id: "x" },
    { ts: TS / 1000 + 0.25, values: { t: 1 } },
    [{ t: 1 }, { ts: TS, values: { t: 2 } }],
    [{ n: "t", v: 1 }],
  ])
    assert.equal(JSON.stringify(items(cbor(value), CBOR)), JSON.stringify(items(value)), "and in the order received");
});

test("floats of 16, 32 and 64 bits and strings of indefinite length are understood", () => {
  assert.deepEqual(valuesOf(hex("a3 6161 f93c00 6162 fa3fc00000 6163 fb3ff199999999999a"), CBOR), [
    { a: 1, b: 1.5, c: 1.1 },
  ]);
  assert.deepEqual(valuesOf(hex("bf 6161 01 ff"), CBOR), [{ a: 1 }]);
});

test("names that objects are born with are names like others, except __proto__", () => {
  assert.deepEqual(valuesOf(hex("a1 6b 636f6e7374727563746f72 01"), CBOR), [{ constructor: 1 }]);
  assert.match(rejection(hex("a1 69 5f5f70726f746f5f5f 01"), CBOR), /^__proto__: is not allowed/);
  assert.match(rejection(hex("a1 69 5f5f70726f746f5f5f a1 6161 01"), CBOR), /^__proto__: is not allowed/);
});

for (const [what, bytes, reason] of [
  ["nothing", "", /^payload: must be CBOR \(/],
  ["half a map", "a2 6161 01", /^payload: must be CBOR \(/],
  ["two values", "a1 6161 01 01", /^payload: must be CBOR \(/],
  ["a key given twice", "a2 6161 01 6161 02", /^payload: must be CBOR \(.*repeat/],
  ["NaN", "a1 6161 f97e00", /^payload: must be CBOR \(.*NaN/],
  ["infinity", "a1 6161 f97c00", /^payload: must be CBOR \(.*Infinity/],
  ["undefined", "a1 6161 f7", /^payload: must be CBOR \(.*undefined/],
  ["an integer beyond 2^53", "a1 6161 1b0020000000000000", /^payload: must be CBOR \(/],
  ["a tag", "a1 6161 c1 1a5f0a3a00", /^payload: must be CBOR \(.*tag/],
  ["invalid UTF-8 in a text", "a1 6161 61ff", /^payload: must have valid UTF-8 text$/],
  ["invalid UTF-8 in a name", "a1 61ff 01", /^payload: must have valid UTF-8 text$/],
  ["a key that is a number", "a1 01 01", /^payload: map keys must be text$/],
  ["null as a value", "a1 6161 f6", /^a: must be a number, boolean or text$/],
  ["bytes as a value", "a1 6161 420102", /^a: must be a number, boolean or text$/],
  ["bytes as the payload", "42 0102", /^payload: must be an object$/],
  ["bytes as an item", "82 a1 6161 01 42 0102", /^\[1\]: must be an object$/],
  [
    "bytes in place of values",
    "a2 62 7473 1b000001734584e400 66 76616c756573 42 0102",
    /^values: must be an object of metrics$/,
  ],
  ["a number", "18 2a", /^payload: must be an object$/],
  ["an empty map", "a0", /^payload: must have at least one metric$/],
  ["an empty array", "80", /^payload: must have at least one item$/],
  ["nine maps in each other", `${"a1 6161 ".repeat(10)}01`, /^payload: is nested too deeply$/],
  ["100,000 arrays in each other", "81".repeat(100_000), /^payload: must be CBOR \(/],
] as const)
  test(`refused, with its place: ${what}`, () => {
    assert.match(rejection(hex(bytes), CBOR), reason);
  });

test("JSON called CBOR is refused, and CBOR not called so", () => {
  assert.match(rejection({ t: 1 }, CBOR), /^payload: must be CBOR/);
  assert.match(rejection(cbor({ t: 1 })), /^payload: must be/);
});
