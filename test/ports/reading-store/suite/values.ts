import assert from "node:assert/strict";
import type { MetricValues } from "../../../../schemas/telemetry.ts";
import type { Test } from "../../known-divergences.ts";
import { all, message, type OpenStore, SECOND, T0 } from "./subject.ts";

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

export function values(open: OpenStore, test: Test): void {
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
          interval: { micros: SECOND },
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
          interval: { micros: SECOND },
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
    const items = await store.aggregate({ ...all, interval: { micros: SECOND }, functions: ["count"] });
    assert.deepEqual(items, [{ start: T0, end: T0 + SECOND, metrics: { a: { count: 1 } } }]);
  });
}
