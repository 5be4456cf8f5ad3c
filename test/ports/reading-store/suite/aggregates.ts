import assert from "node:assert/strict";
import type { AggregateFunction } from "../../../../schemas/telemetry.ts";
import type { IntervalAggregate, StoredReading } from "../../../../services/telemetry/reading-store/reading-store.ts";
import type { Test } from "../../known-divergences.ts";
import { bruteForce } from "../brute-force.ts";
import { randomOf } from "../random.ts";
import { all, FUNCTIONS, message, type OpenStore, SECOND, T0 } from "./subject.ts";

export function aggregates(open: OpenStore, test: Test, seeds: number): void {
  test("booleans count as 0 and 1, text only for count, first and last", async (t) => {
    const { store } = await open(t);
    const series = [true, "text", 5, false, "end"];
    await store.write(series.map((value, index) => message(T0 + index, 0, { mixed: value, text: "t" })));
    const [item] = await store.aggregate({ ...all, interval: { micros: SECOND }, functions: FUNCTIONS });
    assert.deepEqual(item?.metrics, {
      mixed: { avg: 2, min: 0, max: 5, sum: 6, count: 5, first: true, last: "end" },
      text: { count: 5, first: "t", last: "t" },
    });
  });

  test("metrics that are numbers for long, and then text or booleans here and there, are the same to every function", async (t) => {
    const { store } = await open(t);
    const names = Array.from({ length: 40 }, (_, index) => `m${index}`);
    // Of the readings of each second, one metric more than the second before has another type once.
    const other = (second: number, name: string, index: number) =>
      index % 2 === 0 ? second % 2 === 0 : `${name} text`;
    const valuesAt = (second: number, step: number) =>
      Object.fromEntries(
        names.map((name, index) => [name, step === 1 && index < second ? other(second, name, index) : index + step]),
      );
    const seconds = Array.from({ length: 20 }, (_, second) => second);
    for (const second of seconds)
      await store.write([0, 1, 2].map((step) => message(T0 + second * SECOND + step, 0, valuesAt(second, step))));
    for (const functions of [["avg"], ["min", "max"], FUNCTIONS] as AggregateFunction[][]) {
      const items = await store.aggregate({ ...all, interval: { micros: SECOND }, functions });
      const readings = (await store.range(all)) as StoredReading[];
      for (const [second, { start, metrics }] of items.entries()) {
        const inside = readings.filter(({ ts }) => ts >= start && ts < start + SECOND);
        for (const name of names) {
          const given = inside.map(({ values }) => values[name]);
          const numbers = given.flatMap((value) => (typeof value === "string" ? [] : [Number(value)]));
          const sum = numbers.reduce((total, value) => total + value, 0);
          const expected = {
            ...{ avg: sum / numbers.length, min: Math.min(...numbers), max: Math.max(...numbers), sum },
            ...{ count: 3, first: given[0], last: given[2] },
          };
          const asked = Object.fromEntries(functions.map((one) => [one, expected[one]]));
          assert.deepEqual(metrics[name], asked, `${name} in second ${second}`);
        }
      }
      assert.equal(items.length, seconds.length);
    }
  });

  test("a metric that has none of the asked functions in an interval is there, and empty", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 0, { text: "t" })]);
    const items = await store.aggregate({
      ...all,
      interval: { micros: SECOND },
      functions: ["avg", "min", "max", "sum"],
    });
    assert.deepEqual(items, [{ start: T0, end: T0 + SECOND, metrics: { text: {} } }]);
  });

  test("a sum beyond the doubles is left out", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 1, { a: 1.7e308 }), message(T0, 2, { a: 1.7e308 })]);
    const [item] = await store.aggregate({ ...all, interval: { micros: SECOND }, functions: ["avg", "sum", "max"] });
    assert.deepEqual(item?.metrics, { a: { max: 1.7e308 } });
  });

  test("sums of values of very different size are not lost (1e16 + 1 - 1e16)", async (t) => {
    const { store } = await open(t);
    const series = [1e16, 1, -1e16, 0.5];
    await store.write(series.map((value, index) => message(T0 + index, 0, { a: value })));
    const [item] = await store.aggregate({ ...all, interval: { micros: SECOND }, functions: ["avg", "sum"] });
    assert.deepEqual(item?.metrics, { a: { avg: 0.375, sum: 1.5 } });
  });

  test("intervals begin at multiples since 1970, before 1970 too", async (t) => {
    const { store } = await open(t);
    const at = [-1, 0, -7 * SECOND, -7 * SECOND - 1, 7 * SECOND - 1];
    await store.write(at.map((ts) => message(ts, 0, { a: ts })));
    const items = await store.aggregate({ ...all, interval: { micros: 7 * SECOND }, functions: ["count"] });
    assert.deepEqual(
      items.map(({ start, metrics }) => [start / SECOND, metrics["a"]?.count]),
      [
        [-14, 1],
        [-7, 2],
        [0, 2],
      ],
    );
  });

  test("intervals of a time zone begin on its clock, in both orders and from page to page", async (t) => {
    const { store } = await open(t);
    // Hourly over both changes of 2026 in Berlin: 2026-03-29 has 23 hours, 2026-10-25 has 25.
    const hour = 3600 * SECOND;
    for (const begin of [Date.UTC(2026, 2, 27) * 1000, Date.UTC(2026, 9, 23) * 1000])
      await store.write(Array.from({ length: 96 }, (_, n) => message(begin + n * hour, n, { a: n })));
    const query = {
      ...all,
      interval: { days: 1, beginOn: "epoch" },
      timeZone: "Europe/Berlin",
      functions: ["count"],
    } as const;
    const days = [
      ["2026-03-26T23:00", 23],
      ["2026-03-27T23:00", 24],
      ["2026-03-28T23:00", 23],
      ["2026-03-29T22:00", 24],
      ["2026-03-30T22:00", 2],
      ["2026-10-22T22:00", 22],
      ["2026-10-23T22:00", 24],
      ["2026-10-24T22:00", 25],
      ["2026-10-25T23:00", 24],
      ["2026-10-26T23:00", 1],
    ];
    for (const order of ["asc", "desc"] as const) {
      const found: IntervalAggregate[] = [];
      for (let page: IntervalAggregate[]; ; found.push(...page)) {
        page = await store.aggregate({ ...query, order, limit: 3, afterStart: found.at(-1)?.start });
        if (page.length === 0) break;
      }
      const shown = found.map(({ start, metrics }) => [
        new Date(start / 1000).toISOString().slice(0, 16),
        metrics["a"]?.count,
      ]);
      assert.deepEqual(shown, order === "asc" ? days : [...days].reverse());
    }
    const months = await store.aggregate({ ...query, interval: { months: 1 }, timeZone: "America/New_York" });
    assert.deepEqual(
      months.map(({ start, end }) => [start, end].map((at) => new Date(at / 1000).toISOString().slice(0, 13))),
      [
        ["2026-03-01T05", "2026-04-01T04"],
        ["2026-10-01T04", "2026-11-01T04"],
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
      const query = { ...all, order, interval: { micros: 10 * SECOND }, functions: ["count"] as const };
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
    for (let seed = 1; seed <= seeds; seed++) {
      const random = randomOf(seed);
      const device = { tenantId: "default", deviceId: `device-${seed}` };
      const readings = randomReadings(random);
      await store.write([{ ...message(T0, 0, {}, device), readings }]);
      for (let round = 0; round < 4; round++) {
        const { micros, ...selection } = randomQuery(random);
        const query = { ...device, ...selection, interval: { micros } };
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
    micros: pick(random, [
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
