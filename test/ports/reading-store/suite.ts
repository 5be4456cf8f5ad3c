import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { AggregateFunction, MetricValues, TelemetryReceived } from "../../../schemas/telemetry.ts";
import type {
  IntervalAggregate,
  RangeQuery,
  ReadingStore,
  StoredReading,
} from "../../../services/telemetry/reading-store/reading-store.ts";
import { bruteForce } from "./brute-force.ts";
import { randomOf } from "./random.ts";

/** An empty store of its own for each test; `reopen` closes it and opens what it stored again. */
export type OpenStore = (
  t: TestContext,
  options?: { metricsPerDeviceMax?: number },
) => Promise<{ store: ReadingStore; reopen(): Promise<ReadingStore> }>;

export const FUNCTIONS: AggregateFunction[] = ["avg", "min", "max", "sum", "count", "first", "last"];
export const DEVICE = { tenantId: "default", deviceId: "boiler-7" };
const T0 = Date.UTC(2026, 0, 1) * 1000;
const SECOND = 1_000_000;

/** A message of one reading, by default of `DEVICE`. */
export const message = (ts: number, seq: number, values: MetricValues, device = DEVICE): TelemetryReceived => ({
  ...device,
  messageId: `${ts}/${seq}`,
  receivedAt: ts,
  readings: [{ ts, seq, values }],
});

const all: RangeQuery = { ...DEVICE, order: "asc", limit: 10_000 };

/** What every reading store promises, whatever engine it stands on. */
export function readingStoreSuite(engine: string, open: OpenStore): void {
  describe(`reading store on ${engine}`, () => {
    writing(open);
    values(open);
    ranges(open);
    aggregates(open);
  });
}

function writing(open: OpenStore): void {
  test("a second write of a reading changes nothing and is counted as a duplicate", async (t) => {
    const { store } = await open(t);
    assert.deepEqual(await store.write([message(T0, 1, { a: 1 }), message(T0 + 1, 2, { a: 2 })]), {
      stored: 2,
      duplicates: 0,
    });
    assert.deepEqual(await store.write([message(T0, 1, { a: 99 }), message(T0 + 2, 3, { a: 3 })]), {
      stored: 1,
      duplicates: 1,
    });
    assert.deepEqual(
      (await store.range(all)).map((reading) => reading.values),
      [{ a: 1 }, { a: 2 }, { a: 3 }],
    );
  });

  test("a reading that is twice in one batch is stored once", async (t) => {
    const { store } = await open(t);
    const twice = message(T0, 1, { a: 1 });
    assert.deepEqual(await store.write([twice, twice]), { stored: 1, duplicates: 1 });
    assert.equal((await store.range(all)).length, 1);
  });

  test("two readings of one instant and different seq are two", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 2, { a: "second" }), message(T0, 1, { a: "first" })]);
    assert.deepEqual(await store.range(all), [
      { ts: T0, seq: 1, values: { a: "first" } },
      { ts: T0, seq: 2, values: { a: "second" } },
    ]);
  });

  test("the same device id in two tenants is two devices", async (t) => {
    const { store } = await open(t);
    const other = { tenantId: "acme", deviceId: DEVICE.deviceId };
    await store.write([message(T0, 1, { a: 1, b: 1 }), message(T0, 1, { b: 2 }, other)]);
    assert.deepEqual((await store.range(all))[0]?.values, { a: 1, b: 1 });
    assert.deepEqual((await store.range({ ...all, ...other }))[0]?.values, { b: 2 });
    assert.deepEqual(await store.range({ ...all, tenantId: "third" }), []);
    assert.equal(await store.has(DEVICE), true);
    assert.equal(await store.has({ ...DEVICE, tenantId: "third" }), false);
  });

  test("an empty batch stores nothing", async (t) => {
    const { store } = await open(t);
    assert.deepEqual(await store.write([]), { stored: 0, duplicates: 0 });
    assert.equal(await store.has(DEVICE), false);
  });

  test("readings are there after the store was opened again, and still known as duplicates", async (t) => {
    const { store, reopen } = await open(t);
    await store.write([message(T0, 1, { a: 1 })]);
    const again = await reopen();
    assert.deepEqual(await again.write([message(T0, 1, { a: 1 }), message(T0, 2, { b: true, a: 2 })]), {
      stored: 1,
      duplicates: 1,
    });
    assert.deepEqual(
      (await again.range(all)).map((reading) => reading.values),
      [{ a: 1 }, { a: 2, b: true }],
    );
  });

  test("a batch with a reading that cannot be stored is refused whole, and nothing of it is remembered", async (t) => {
    const { store } = await open(t);
    const other = { tenantId: "default", deviceId: "other" };
    await store.write([message(T0, 1, { a: 1 })]);
    const poison = message(T0, 9, { bad: Number.NaN });
    await assert.rejects(store.write([message(T0 + 1, 2, { a: 2, b: 2 }), message(T0, 1, { x: 1 }, other), poison]), {
      name: "ReadingRefusedError",
      type: "READING_REFUSED",
      retryable: false,
      message: /boiler-7.*metric "bad"/,
    });
    assert.equal(await store.has(other), false);
    // The places given to `b` and to the device `other` are gone: were they remembered, values would change their names.
    await store.write([
      message(T0 + 1, 2, { c: "c", b: "b" }),
      message(T0, 1, { y: "y" }, { ...other, deviceId: "third" }),
    ]);
    await store.write([message(T0, 1, { x: "x", y: "y" }, other)]);
    assert.deepEqual(
      (await store.range(all)).map((reading) => reading.values),
      [{ a: 1 }, { b: "b", c: "c" }],
    );
    assert.deepEqual((await store.range({ ...all, ...other }))[0]?.values, { x: "x", y: "y" });
  });

  for (const [field, reading] of Object.entries({
    ts: { ts: 1.5, seq: 1, values: { a: 1 } },
    seq: { ts: T0, seq: 2 ** 53, values: { a: 1 } },
    'metric "infinite"': { ts: T0, seq: 1, values: { infinite: Infinity } },
    'metric "object"': { ts: T0, seq: 1, values: { object: {} as never } },
    'metric "null"': { ts: T0, seq: 1, values: { null: null as never } },
  })) {
    test(`a reading is refused, naming the field, for ${field}`, async (t) => {
      const { store } = await open(t);
      const batch = [{ ...message(T0, 1, {}), readings: [reading] }];
      await assert.rejects(store.write(batch), (error: { type: string; data: { field: string } }) => {
        assert.deepEqual([error.type, error.data.field], ["READING_REFUSED", field]);
        return true;
      });
      assert.deepEqual(await store.range(all), []);
    });
  }

  test("one metric more than a device may have is refused, naming it; the known ones go on", async (t) => {
    const { store } = await open(t, { metricsPerDeviceMax: 20 });
    const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
    await store.write([message(T0, 1, Object.fromEntries(names.map((name) => [name, 1])))]);
    await assert.rejects(
      store.write([message(T0, 2, { m3: 1, "one too many": 1 })]),
      /metric "one too many".*20 metrics/,
    );
    assert.deepEqual(await store.write([message(T0, 2, { m3: 1, m19: 2 })]), { stored: 1, duplicates: 0 });
    await store.write([message(T0, 1, { "another device's": 1 }, { ...DEVICE, deviceId: "other" })]);
  });

  test("after close every method says that the engine is unavailable", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 1, { a: 1 })]);
    await store.close();
    await store.close();
    const unavailable = { name: "EngineUnavailableError", outage: true };
    await assert.rejects(store.write([message(T0, 2, { a: 1 })]), unavailable);
    await assert.rejects(store.range(all), unavailable);
    await assert.rejects(store.has(DEVICE), unavailable);
    await assert.rejects(store.aggregate({ ...all, intervalMicros: SECOND, functions: FUNCTIONS }), unavailable);
  });
}

const ODD_NAMES = [
  "a.b.c",
  "$.a",
  "$",
  'quo"te',
  "apos'trophe",
  "back\\slash",
  "[0]",
  "#-1",
  "v0",
  "ts",
  "seq",
  "more",
  "dev",
  " ",
  "Größe",
  "温度",
  "😀",
  "line\nbreak",
  "nul\0inside",
  "__proto__",
  "constructor",
  "toString",
  "0",
  "17",
  "a,b",
  "%_",
  "'; DROP TABLE reading; --",
  '"); DROP TABLE reading; --',
  "e\u0301",
  "\u00e9",
];
const ODD_VALUES = [
  0,
  -0,
  1,
  -1,
  0.1,
  1 / 3,
  5e-324,
  1.7976931348623157e308,
  2 ** 53,
  2 ** 53 + 2,
  2 ** 62,
  1e21,
  123456789012345680000,
  true,
  false,
  "",
  "0",
  "1",
  "true",
  "null",
  "nul\0inside",
  "😀",
  "quo\"te's",
  "\u2028",
  "x".repeat(1024),
];

function values(open: OpenStore): void {
  for (const [where, before] of [
    ["among the first metrics of a device", 0],
    ["beyond the sixteenth", 16],
  ] as const) {
    const filler = Object.fromEntries(Array.from({ length: before }, (_, index) => [`filler${index}`, index]));

    test(`every value comes back as it was, ${where}`, async (t) => {
      const { store } = await open(t);
      await store.write([
        message(T0, 0, filler),
        ...ODD_VALUES.map((value, index) => message(T0, index + 1, { odd: value })),
      ]);
      const stored = await store.range({ ...all, metrics: ["odd"] });
      assert.equal(stored.length, ODD_VALUES.length);
      stored.forEach(({ values: { odd } }, index) => {
        assert.ok(Object.is(odd, ODD_VALUES[index]), `${String(odd)} is not ${String(ODD_VALUES[index])}`);
      });
      // A second path to the values: through the engine's own expressions.
      for (const [index, value] of ODD_VALUES.entries()) {
        await store.write([message(T0 + (index + 1) * SECOND, 0, { odd: value })]);
        const query = {
          ...all,
          from: T0 + (index + 1) * SECOND,
          intervalMicros: SECOND,
          functions: ["first", "last"] as const,
        };
        const [item] = await store.aggregate({ ...query, metrics: ["odd"] });
        assert.ok(
          Object.is(item?.metrics["odd"]?.first, value),
          `${String(item?.metrics["odd"]?.first)} is not ${String(value)}`,
        );
        assert.ok(Object.is(item?.metrics["odd"]?.last, value));
      }
    });

    test(`a metric may have any name, ${where}`, async (t) => {
      const { store, reopen } = await open(t);
      const odd = Object.fromEntries(ODD_NAMES.map((name, index) => [name, index]));
      await store.write([
        message(T0, 0, filler),
        ...ODD_NAMES.map((name, index) => message(T0 + 1, index, Object.fromEntries([[name, index]]))),
      ]);
      await store.write([message(T0 + 2, 0, odd)]);
      const again = await reopen();
      const [reading] = await again.range({ ...all, from: T0 + 2 });
      assert.deepEqual(Object.entries(reading?.values ?? {}).sort(), Object.entries(odd).sort());
      for (const [index, name] of ODD_NAMES.entries()) {
        const one = await again.range({ ...all, to: T0 + 2, metrics: [name] });
        assert.deepEqual(
          one.map(({ values }) => Object.entries(values)),
          [[[name, index]]],
          name,
        );
        const [item] = await again.aggregate({
          ...all,
          metrics: [name],
          intervalMicros: SECOND,
          functions: ["sum", "count"],
        });
        assert.deepEqual(Object.entries(item?.metrics ?? {}), [[name, { sum: 2 * index, count: 2 }]], name);
      }
    });
  }

  test("metrics may come later, and a reading has only its own", async (t) => {
    const { store } = await open(t);
    const rows: MetricValues[] = Array.from({ length: 40 }, (_, index) => ({
      [`m${index}`]: index,
      [`m${index >> 1}`]: true,
    }));
    for (const [index, row] of rows.entries()) await store.write([message(T0 + index, index, row)]);
    const sorted = (row: MetricValues) => Object.entries(row).sort();
    assert.deepEqual(
      (await store.range(all)).map(({ values: row }) => sorted(row)),
      rows.map(sorted),
    );
    const three = await store.range({ ...all, metrics: ["m3", "m30", "never"] });
    assert.deepEqual(
      three.map(({ values: row }) => sorted(row)),
      [[["m3", 3]], [["m3", true]], [["m3", true]], [["m30", 30]]],
    );
  });

  test("a lone surrogate in a name or a text does no harm", async (t) => {
    const { store, reopen } = await open(t);
    for (const seq of [1, 2]) await store.write([message(T0, seq, { "a\ud800": "b\ud800", c: 1 })]);
    const again = await reopen();
    await again.write([message(T0, 3, { "a\ud800": "b\ud800", c: 1 })]);
    const expected = { "a\ufffd": "b\ufffd", c: 1 };
    assert.deepEqual(
      (await again.range({ ...all, metrics: ["a\ud800", "c"] })).map((row) => row.values),
      [expected, expected, expected],
    );
  });

  test("a reading without values is a reading", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 1, {}), message(T0 + 1, 2, { a: 1 })]);
    assert.deepEqual(
      (await store.range(all)).map((row) => row.values),
      [{}, { a: 1 }],
    );
    const items = await store.aggregate({ ...all, intervalMicros: SECOND, functions: ["count"] });
    assert.deepEqual(items, [{ start: T0, end: T0 + SECOND, metrics: { a: { count: 1 } } }]);
  });
}

function ranges(open: OpenStore): void {
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
      await store.aggregate({ ...all, metrics: ["b"], intervalMicros: SECOND, functions: FUNCTIONS }),
      [],
    );
  });

  for (const order of ["asc", "desc"] as const) {
    for (const metrics of [undefined, ["even"]]) {
      test(`pages of ${metrics ? "one metric of" : ""} 5,000 readings, many of one instant, hold each once, ${order}`, async (t) => {
        const { store } = await open(t);
        const random = randomOf(5000);
        const readings = Array.from({ length: 5000 }, (_, index) => ({
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

function aggregates(open: OpenStore): void {
  test("booleans count as 0 and 1, text only for count, first and last", async (t) => {
    const { store } = await open(t);
    const series = [true, "text", 5, false, "end"];
    await store.write(series.map((value, index) => message(T0 + index, 0, { mixed: value, text: "t" })));
    const [item] = await store.aggregate({ ...all, intervalMicros: SECOND, functions: FUNCTIONS });
    assert.deepEqual(item?.metrics, {
      mixed: { avg: 2, min: 0, max: 5, sum: 6, count: 5, first: true, last: "end" },
      text: { count: 5, first: "t", last: "t" },
    });
  });

  test("a metric that has none of the asked functions in an interval is there, and empty", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 0, { text: "t" })]);
    const items = await store.aggregate({ ...all, intervalMicros: SECOND, functions: ["avg", "min", "max", "sum"] });
    assert.deepEqual(items, [{ start: T0, end: T0 + SECOND, metrics: { text: {} } }]);
  });

  test("a sum beyond the doubles is left out", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 1, { a: 1.7e308 }), message(T0, 2, { a: 1.7e308 })]);
    const [item] = await store.aggregate({ ...all, intervalMicros: SECOND, functions: ["avg", "sum", "max"] });
    assert.deepEqual(item?.metrics, { a: { max: 1.7e308 } });
  });

  test("sums of values of very different size are not lost (1e16 + 1 - 1e16)", async (t) => {
    const { store } = await open(t);
    const series = [1e16, 1, -1e16, 0.5];
    await store.write(series.map((value, index) => message(T0 + index, 0, { a: value })));
    const [item] = await store.aggregate({ ...all, intervalMicros: SECOND, functions: ["avg", "sum"] });
    assert.deepEqual(item?.metrics, { a: { avg: 0.375, sum: 1.5 } });
  });

  test("intervals begin at multiples since 1970, before 1970 too", async (t) => {
    const { store } = await open(t);
    const at = [-1, 0, -7 * SECOND, -7 * SECOND - 1, 7 * SECOND - 1];
    await store.write(at.map((ts) => message(ts, 0, { a: ts })));
    const items = await store.aggregate({ ...all, intervalMicros: 7 * SECOND, functions: ["count"] });
    assert.deepEqual(
      items.map(({ start, metrics }) => [start / SECOND, metrics["a"]?.count]),
      [
        [-14, 1],
        [-7, 2],
        [0, 2],
      ],
    );
  });

  test("pages of intervals hold each once, in both orders", async (t) => {
    const { store } = await open(t);
    const random = randomOf(7);
    await store.write(
      Array.from({ length: 900 }, (_, seq) => message(T0 + Math.floor(random() * 3e9), seq, { a: seq })),
    );
    for (const order of ["asc", "desc"] as const) {
      const query = { ...all, order, intervalMicros: 10 * SECOND, functions: ["count"] as const };
      const whole = await store.aggregate(query);
      const found: IntervalAggregate[] = [];
      for (;;) {
        const page = await store.aggregate({ ...query, limit: 17, afterStart: found.at(-1)?.start });
        found.push(...page);
        if (page.length < 17) break;
      }
      assert.deepEqual(found, whole);
      assert.equal(
        found.reduce((sum, { metrics }) => sum + Number(metrics["a"]?.count), 0),
        900,
      );
    }
  });

  test("aggregates are those of the definition, over many seeds", async (t) => {
    const { store } = await open(t);
    for (let seed = 1; seed <= 60; seed++) {
      const random = randomOf(seed);
      const device = { tenantId: "default", deviceId: `device-${seed}` };
      const readings = randomReadings(random);
      await store.write([{ ...message(T0, 0, {}, device), readings }]);
      for (let round = 0; round < 4; round++) {
        const query = { ...device, ...randomQuery(random) };
        approximately(
          await store.aggregate(query),
          bruteForce(readings, query),
          `seed ${seed}, ${JSON.stringify(query)}`,
        );
      }
    }
  });
}

const pick = <T>(random: () => number, choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;

/** Readings of 1 to 24 metrics of all types, in a span of a second to a century from 2000, keys unique. */
function randomReadings(random: () => number): StoredReading[] {
  const begin = Date.UTC(2000, 0, 1) * 1000;
  const span = pick(random, [SECOND, 3600 * SECOND, 86_400 * SECOND * 365, 86_400 * SECOND * 36_524]);
  const metrics = 1 + Math.floor(random() * 24);
  return Array.from({ length: 1 + Math.floor(random() * 250) }, (_, index) => ({
    ts: begin + Math.floor(random() * span),
    seq: Math.floor(random() * 2 ** 40) * 4096 + index,
    values: Object.fromEntries(
      Array.from({ length: metrics }, (_, metric) => [`m ${metric}`, randomValue(random)] as const).filter(
        () => random() < 0.5,
      ),
    ),
  }));
}

/** Numbers are multiples of 2^-20 below 2^33, so that the definition can be computed without rounding. */
function randomValue(random: () => number): number | boolean | string {
  const kind = random();
  if (kind < 0.1) return random() < 0.5;
  if (kind < 0.2) return pick(random, ["", "text", "1"]);
  return Math.round((random() - 0.5) * 2 ** pick(random, [4, 20, 34]) * 2 ** 20) / 2 ** 20;
}

function randomQuery(random: () => number) {
  const from = Date.UTC(2000, 0, 1) * 1000 + Math.floor(random() * 86_400 * SECOND);
  return {
    order: pick(random, ["asc", "desc"] as const),
    limit: pick(random, [1, 5, 1000]),
    from: random() < 0.3 ? from : undefined,
    to: random() < 0.3 ? from + Math.floor(random() * 86_400 * SECOND * 365 * 50) : undefined,
    metrics: random() < 0.5 ? ["m 0", "m 17", "m 23", "none"] : undefined,
    intervalMicros: pick(random, [
      SECOND,
      1_500_000,
      60 * SECOND,
      3600 * SECOND,
      7 * 86_400 * SECOND,
      36_525 * 86_400 * SECOND,
    ]),
    functions: pick(random, [
      FUNCTIONS,
      ["avg"],
      ["count", "last"],
      ["first", "max"],
      ["min", "sum"],
    ] as AggregateFunction[][]),
  };
}

/** Equal, but avg and sum within 1e-9 of the value, or of what was added up where that nearly cancels out. */
function approximately(actual: IntervalAggregate[], expected: IntervalAggregate[], what: string): void {
  const rounded = (items: IntervalAggregate[]) =>
    items.map(({ metrics, ...item }) => ({
      ...item,
      metrics: Object.fromEntries(Object.entries(metrics).map(([name, { avg, sum, ...exact }]) => [name, exact])),
    }));
  assert.deepEqual(rounded(actual), rounded(expected), what);
  for (const [index, { metrics }] of expected.entries())
    for (const [name, aggregate] of Object.entries(metrics))
      for (const key of ["avg", "sum"] as const) {
        const wanted = aggregate[key];
        const got = actual[index]?.metrics[name]?.[key];
        if (wanted === undefined) assert.equal(got, undefined, what);
        else
          assert.ok(
            Math.abs(Number(got) - Number(wanted)) <= 1e-9 * Math.abs(Number(wanted)),
            `${name} ${key}: ${got} is not ${wanted}, ${what}`,
          );
      }
}
