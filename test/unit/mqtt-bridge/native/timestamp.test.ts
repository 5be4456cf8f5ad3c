import assert from "node:assert/strict";
import { test } from "node:test";
import { items, rejection } from "../payload.ts";

const read = (ts: unknown) => items({ ts, values: { t: 1 } })[0]?.ts;
const refused = (ts: unknown) => rejection(`{"ts":${JSON.stringify(ts)},"values":{"t":1}}`);

for (const [ts, micros] of [
  [1594512094, 1594512094_000_000],
  [1594512094.3859746, 1594512094_385_975],
  [1594512094.000001, 1594512094_000_001],
  [1594598400000, 1594598400_000_000],
  [1594598400000.5, 1594598400_000_500],
  [1594598400000.001, 1594598400_000_001],
  [946684800, 946684800_000_000],
  [946684800000, 946684800_000_000],
  [4133980799, 4133980799_000_000],
  [4133980799999, 4133980799_999_000],
  ["2020-07-12T00:01:34Z", 1594512094_000_000],
  ["2020-07-12T02:01:34.3859746+02:00", 1594512094_385_974],
  ["2020-07-11t19:01:34.5-05:00", 1594512094_500_000],
  ["2000-01-01T00:00:00Z", 946684800_000_000],
  ["2100-12-31T23:59:59.999999Z", 4133980799_999_999],
  ["2016-12-31T23:59:60Z", 1483228800_000_000],
] as const)
  test(`ts ${ts} is ${micros} microseconds`, () => {
    assert.equal(read(ts), micros);
  });

test("below 1e11 a number is seconds, from it on milliseconds", () => {
  // As seconds it would be the year 5138, as milliseconds 1973: both outside, and told apart by nothing else.
  for (const ts of [1e11 - 1, 1e11]) assert.equal(refused(ts), "ts: must be in the years 2000 to 2100");
  assert.equal(read(1e9), 1e15);
  assert.equal(read(1e12), 1e15);
});

for (const ts of [
  ...[0, -1, -1594512094, 946684799, 946684799.9, 946684799999, 4133980800, 4133980800000, 1e18, 1e308],
  1594598400000000, // microseconds
  1594598400000000000, // nanoseconds
  "1999-12-31T23:59:59.999999Z",
  "2101-01-01T00:00:00Z",
  "2100-12-31T23:59:59-01:00",
])
  test(`ts ${ts} is outside the years 2000 to 2100`, () => {
    assert.equal(refused(ts), "ts: must be in the years 2000 to 2100");
  });

for (const ts of [
  "",
  "now",
  "1594598400",
  "2020-07-12",
  "2020-07-12 00:01:34Z",
  "2020-07-12T00:01:34",
  "2020-02-30T00:00:00Z",
])
  test(`ts '${ts}' is no RFC 3339 text`, () => {
    assert.match(refused(ts), /^ts: (must be an RFC 3339 date and time|is a date or time that does not exist)/);
  });

for (const ts of [null, true, [], {}])
  test(`ts ${JSON.stringify(ts)} is neither text nor a number`, () => {
    assert.equal(refused(ts), "ts: must be RFC 3339 text or a number of seconds or milliseconds since 1970");
  });
