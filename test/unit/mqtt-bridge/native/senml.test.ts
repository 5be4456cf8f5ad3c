import assert from "node:assert/strict";
import { test } from "node:test";
import { items, rejection, valuesOf } from "../payload.ts";

const SENML = "application/senml+json";
const T = 1.276020076e9;

test("records of one time are one reading (RFC 8428 section 5.1.2)", () => {
  const pack = [
    { bn: "urn:dev:ow:10e2073a01080063:", bt: T, bu: "A", bver: 5, n: "voltage", u: "V", v: 120.1 },
    { n: "current", t: -5, v: 1.2 },
    { n: "current", t: -4, v: 1.3 },
    { n: "on", t: -4, vb: true },
    { n: "mode", t: -4, vs: "eco" },
  ];
  const name = "urn:dev:ow:10e2073a01080063:";
  assert.deepEqual(items(pack, SENML), [
    { ts: T * 1e6, sinceArrival: 0, id: undefined, values: { [`${name}voltage`]: 120.1 } },
    { ts: (T - 5) * 1e6, sinceArrival: 0, id: undefined, values: { [`${name}current`]: 1.2 } },
    {
      ts: (T - 4) * 1e6,
      sinceArrival: 0,
      id: undefined,
      values: { [`${name}current`]: 1.3, [`${name}on`]: true, [`${name}mode`]: "eco" },
    },
  ]);
});

test("it needs no content type where the first record has a name and one of them a value", () => {
  assert.deepEqual(valuesOf([{ n: "t", v: 1 }]), [{ t: 1 }]);
  assert.deepEqual(valuesOf([{ bn: "a/" }, { n: "t", v: 1 }]), [{ "a/t": 1 }]);
  assert.deepEqual(valuesOf([{ n: "t" }]), [{ n: "t" }], "a metric called n");
  assert.deepEqual(valuesOf([{ n: 5, v: 1 }]), [{ n: 5, v: 1 }]);
});

test("a time below 2^28 is relative to the arrival (section 4.5.3)", () => {
  const pack = [
    { n: "t", v: 1 },
    { n: "t", t: -1.5, v: 2 },
    { n: "t", t: 2 ** 28 - 1, v: 3 },
    { n: "t", t: 2 ** 30, v: 4 },
  ];
  assert.deepEqual(
    items(pack).map(({ ts, sinceArrival }) => [ts, sinceArrival]),
    [
      [undefined, 0],
      [undefined, -1_500_000],
      [undefined, (2 ** 28 - 1) * 1e6],
      [2 ** 30 * 1e6, 0],
    ],
  );
  assert.match(rejection([{ n: "t", t: -(2 ** 28), v: 1 }]), /^\[0\]\.t: a relative time must be later than/);
  assert.equal(rejection([{ n: "t", t: 2 ** 28, v: 1 }]), "[0].t: must be in the years 2000 to 2100");
  assert.equal(rejection([{ n: "t", t: 5e9, v: 1 }]), "[0].t: must be in the years 2000 to 2100");
});

test("a name that repeats at one time begins another reading", () => {
  assert.deepEqual(
    valuesOf([
      { n: "t", v: 1 },
      { n: "t", v: 2 },
      { n: "u", v: 3 },
    ]),
    [{ t: 1 }, { t: 2, u: 3 }],
  );
});

test("base values hold until they are set anew, the base value is added (section 4.1)", () => {
  const pack = [
    { bn: "a/", bv: 10, n: "x", v: 1 },
    { n: "y", v: -2 },
    { bn: "b/", bv: 0, v: 5 },
  ];
  assert.deepEqual(valuesOf(pack), [{ "a/x": 11, "a/y": 8, "b/": 5 }]);
});

test("names that objects are born with are names like others, except __proto__", () => {
  assert.deepEqual(valuesOf([{ n: "constructor", v: 1 }]), [{ constructor: 1 }]);
  assert.equal(rejection([{ n: "__proto__", v: 1 }]), "[0].__proto__: is not allowed as a metric's name");
  assert.equal(rejection([{ bn: "__pro", n: "to__", v: 1 }]), "[0].__proto__: is not allowed as a metric's name");
});

for (const [record, reason] of [
  [{ n: "t" }, /^\[1\]: must have one of v, vs and vb$/],
  [{ n: "t", v: 1, vs: "x" }, /^\[1\]: must have one of v, vs and vb$/],
  [{ n: "t", v: "1" }, /^\[1\]\.v: must be a number$/],
  [{ n: "t", vs: 1 }, /^\[1\]\.vs: must be a string$/],
  [{ n: "t", vb: 1 }, /^\[1\]\.vb: must be a boolean$/],
  [{ n: "t", vs: "x".repeat(1025) }, /^\[1\]\.vs: text must have at most 1024 bytes/],
  [{ n: "t", vd: "AA" }, /^\[1\]\.vd: this SenML field is not supported$/],
  [{ n: "t", s: 1 }, /^\[1\]\.s: this SenML field is not supported$/],
  [{ n: "t", v: 1, must_: 1 }, /^\[1\]\.must_: this SenML field is not supported$/],
  [{ n: "t", v: 1, bver: 11 }, /^\[1\]\.bver: must be at most 10$/],
  [{ n: "t", v: 1, t: "now" }, /^\[1\]\.t: must be a finite number$/],
  [{ n: 5, v: 1 }, /^\[1\]\.n: must be text$/],
  [{ bn: null, v: 1 }, /^\[1\]\.bn: must be text$/],
  [{ v: 1 }, /^\[1\]\."": a metric's name must have at least one character$/],
  [{ n: "n".repeat(129), v: 1 }, /^\[1\]\.n{64}…: a metric's name must have at most 128 characters$/],
  [5, /^\[1\]: must be an object$/],
] as const)
  test(`a rejection names the record: ${JSON.stringify(record).slice(0, 50)}`, () => {
    assert.match(rejection([{ n: "first", v: 1 }, record]), reason);
  });

test("a sum beyond every number is refused", () => {
  assert.equal(rejection([{ n: "t", bv: 1e308, v: 1e308 }]), "[0].v: must be a finite number");
});

test("a pack is an array with at least one value, and at most 1000 records of 256 metrics", () => {
  assert.equal(rejection({ n: "t", v: 1 }, SENML), "payload: must be an array");
  assert.equal(rejection([{ bn: "a" }], SENML), "payload: must have at least one value");
  const pack = (count: number, name: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => ({ n: name(i), v: i }));
  assert.equal(items(pack(1000, () => "t")).length, 1000);
  assert.equal(rejection(pack(1001, () => "t")), "payload: must have at most 1000 items");
  assert.equal(items(pack(256, (i) => `m${i}`)).length, 1);
  assert.equal(rejection(pack(257, (i) => `m${i}`)), "payload: must have at most 256 metrics");
});
