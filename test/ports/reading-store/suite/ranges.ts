import assert from "node:assert/strict";
import type { MetricValues } from "../../../../schemas/telemetry.ts";
import { isFull, PAGE_WEIGHT_MAX } from "../../../../services/telemetry/reading-store/page-weight.ts";
import type { IntervalAggregate, StoredReading } from "../../../../services/telemetry/reading-store/reading-store.ts";
import type { Test } from "../../known-divergences.ts";
import { randomOf } from "../random.ts";
import { all, FUNCTIONS, message, type OpenStore, SECOND, T0 } from "./subject.ts";

export function ranges(open: OpenStore, test: Test, count: number): void {
  test("a range holds its beginning and not its end", async (t) => {
    const { store } = await open(t);
    await store.write([0, 1, 2, 3].map((offset) => message(T0 + offset, 0, { offset })));
    const offsets = async (from?: number, to?: number) =>
      (await store.range({ ...all, from, to })).map((reading) => reading.ts - T0);
    assert.deepEqual(await offsets(T0 + 1, T0 + 3), [1, 2]);
    assert.deepEqual(await offsets(T0 + 1), [1, 2, 3]);
    assert.deepEqual(await offsets(undefined, T0 + 1), [0]);
    assert.deepEqual(await offsets(T0 + 2, T0 + 2), []);
    assert.deepEqual(await offsets(T0 + 3, T0 + 1), []);
  });

  test("a metric that the device never had gives no readings", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 0, { a: 1 })]);
    assert.deepEqual(await store.range({ ...all, metrics: ["b"] }), []);
    assert.deepEqual(
      await store.aggregate({ ...all, metrics: ["b"], interval: { micros: SECOND }, functions: FUNCTIONS }),
      [],
    );
  });

  test("a page ends where it becomes heavy, and the pages hold each reading and interval once", async (t) => {
    const { store } = await open(t);
    const heavy = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`m${index}`, "x".repeat(1000)]));
    for (let second = 0; second < 100; second++)
      await store.write([message(T0 + second * SECOND, 0, { ...heavy, second })]);
    const readings: StoredReading[] = [];
    let pages = 0;
    for (let page: StoredReading[]; ; ) {
      page = await store.range({ ...all, limit: 1000, after: readings.at(-1) });
      readings.push(...page);
      pages++;
      assert.ok(JSON.stringify(page).length < 2 * PAGE_WEIGHT_MAX, "a page is bounded");
      if (!isFull(page, 1000)) break;
    }
    assert.ok(pages > 2, `${pages} pages`);
    assert.deepEqual(
      readings.map(({ values }) => values["second"]),
      Array.from({ length: 100 }, (_, second) => second),
    );
    const intervals: IntervalAggregate[] = [];
    const functions = ["first", "last"] as const;
    for (let page: IntervalAggregate[]; ; ) {
      const interval = { micros: SECOND };
      page = await store.aggregate({ ...all, interval, functions, limit: 1000, afterStart: intervals.at(-1)?.start });
      intervals.push(...page);
      if (!isFull(page, 1000)) break;
      assert.ok(page.length < 100, "a page of intervals is bounded too");
    }
    assert.deepEqual(
      intervals.map(({ metrics }) => metrics["second"]?.first),
      Array.from({ length: 100 }, (_, second) => second),
    );
  });

  for (const order of ["asc", "desc"] as const) {
    for (const metrics of [undefined, ["even"]]) {
      test(`pages of ${metrics ? "one metric of " : ""}thousands of readings, many of one instant, hold each once, ${order}`, async (t) => {
        const { store } = await open(t);
        const random = randomOf(5000);
        const readings = Array.from({ length: count }, (_, index) => ({
          ts: T0 + Math.floor(random() * 400),
          seq: Math.floor(random() * 2 ** 53),
          values: { index, ...(index % 2 === 0 ? { even: true } : {}) } as MetricValues,
        }));
        await store.write([{ ...message(T0, 0, {}), readings }]);
        const inside = { from: T0 + 3, to: T0 + 390 };
        const direction = order === "asc" ? 1 : -1;
        const expected = readings
          .filter(({ ts, values: row }) => ts >= inside.from && ts < inside.to && (!metrics || "even" in row))
          .sort((a, b) => direction * (a.ts - b.ts || a.seq - b.seq));
        const found: StoredReading[] = [];
        for (;;) {
          const last = found.at(-1);
          const page = await store.range({ ...all, ...inside, metrics, order, limit: 137, after: last });
          found.push(...page);
          if (page.length < 137) break;
        }
        assert.deepEqual(found.map(keyOf), expected.map(keyOf));
      });
    }
  }
}

const keyOf = ({ ts, seq }: StoredReading) => `${ts}/${seq}`;
