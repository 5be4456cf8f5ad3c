import assert from "node:assert/strict";
import { test } from "node:test";
import {
  forgetRange,
  holdsOf,
  type LatestMetrics,
  mergeReading,
} from "../../../services/telemetry/latest/latest-values.ts";
import { randomOf } from "../../ports/reading-store/random.ts";

const merged = (...readings: [ts: number, seq: number, values: Record<string, number>][]): LatestMetrics => {
  const metrics: LatestMetrics = new Map();
  for (const [ts, seq, values] of readings) mergeReading(metrics, { ts, seq, values }, 1000);
  return metrics;
};

test("the later-measured value wins, per metric, and of one instant the greater seq", () => {
  const metrics = merged([10, 1, { a: 1, b: 1 }], [5, 9, { a: 2, c: 2 }], [10, 2, { a: 3 }], [10, 0, { b: 4 }]);
  assert.deepEqual(
    metrics,
    new Map([
      ["a", { ts: 10, seq: 2, value: 3 }],
      ["b", { ts: 10, seq: 1, value: 1 }],
      ["c", { ts: 5, seq: 9, value: 2 }],
    ]),
  );
});

test("redelivery and reordering change nothing", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = randomOf(seed);
    const readings = Array.from({ length: 40 }, (_, n): [number, number, Record<string, number>] => [
      Math.floor(random() * 20),
      n,
      Object.fromEntries(["a", "b", "c"].filter(() => random() < 0.5).map((name) => [name, n])),
    ]);
    const expected = merged(...readings);
    const shuffled = [...readings, ...readings]
      .map((reading) => [random(), reading] as const)
      .sort(([a], [b]) => a - b)
      .map(([, reading]) => reading);
    assert.deepEqual(new Map([...merged(...shuffled)].sort()), new Map([...expected].sort()), `seed ${seed}`);
  }
});

test("whether anything changed is told", () => {
  const metrics = merged([10, 1, { a: 1 }]);
  assert.equal(mergeReading(metrics, { ts: 10, seq: 1, values: { a: 1 } }, 1000), false);
  assert.equal(mergeReading(metrics, { ts: 9, seq: 1, values: { a: 2 } }, 1000), false);
  assert.equal(mergeReading(metrics, { ts: 9, seq: 1, values: { b: 2 } }, 1000), true);
  assert.equal(mergeReading(metrics, { ts: 11, seq: 0, values: { a: 2 } }, 1000), true);
});

test("a reading that brings one metric too many is left out whole; the known metrics go on", () => {
  const metrics = merged([1, 1, { a: 1, b: 1 }]);
  assert.equal(mergeReading(metrics, { ts: 2, seq: 1, values: { a: 2, c: 2, d: 2 } }, 3), false);
  assert.equal(mergeReading(metrics, { ts: 2, seq: 1, values: { a: 3, c: 3 } }, 3), true);
  assert.deepEqual([...metrics.keys()], ["a", "b", "c"]);
  assert.deepEqual(metrics.get("a"), { ts: 2, seq: 1, value: 3 });
});

test("values of a deleted range make way for what is left, the others stay", () => {
  const metrics = merged([10, 1, { a: 1, b: 1 }], [20, 1, { c: 1 }]);
  assert.equal(holdsOf(metrics, { from: 11, to: 20 }), false);
  assert.equal(holdsOf(metrics, { from: 10, to: 11 }), true);
  assert.equal(holdsOf(metrics, { to: 10 }), false);
  assert.equal(holdsOf(metrics, {}), true);
  assert.equal(holdsOf(undefined, {}), false);
  forgetRange(metrics, { to: 15 }, new Map([["a", { ts: 3, seq: 1, value: "older" }]]));
  assert.deepEqual(
    metrics,
    new Map([
      ["c", { ts: 20, seq: 1, value: 1 as unknown }],
      ["a", { ts: 3, seq: 1, value: "older" }],
    ]),
  );
});
