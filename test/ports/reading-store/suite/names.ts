import assert from "node:assert/strict";
import type { MetricValues, TelemetryReceived } from "../../../../schemas/telemetry.ts";
import type { Test } from "../../known-divergences.ts";
import { all, DEVICE, message, type OpenStore, SECOND, T0 } from "./subject.ts";

const HOUR = 3600 * SECOND;

/** A message of one reading that has a name, `seq`, and the time of its arrival. */
const named = (ts: number, seq: number, values: MetricValues, device = DEVICE): TelemetryReceived => ({
  ...message(ts, seq, values, device),
  readings: [{ ts, seq, values, named: true }],
});

const counts = (stored: number, duplicates: number) => ({ stored, duplicates, refused: [] });

/** Readings without a time of their own, which a sender names. */
export function names(open: OpenStore, test: Test): void {
  test("a named reading that comes again later is the one of its first arrival, over a reopening too", async (t) => {
    const { store, reopen } = await open(t);
    const again = named(T0 + SECOND, 1, { a: 1 });
    assert.deepEqual(await store.write([named(T0, 1, { a: 1 }), again]), counts(1, 1));
    assert.deepEqual(await store.write([again, named(T0 + 2 * SECOND, 1, { a: "other" })]), counts(0, 2));
    const reopened = await reopen();
    assert.deepEqual(await reopened.write([named(T0 + HOUR, 1, { a: 1 })]), counts(0, 1));
    assert.deepEqual(await reopened.range(all), [{ ts: T0, seq: 1, values: { a: 1 } }]);
  });

  test("a name is of one device; a reading with a time of its own has none", async (t) => {
    const { store } = await open(t);
    const other = { ...DEVICE, deviceId: "other" };
    const foreign = { ...DEVICE, tenantId: "acme" };
    const batch = [
      named(T0, 1, { a: 1 }),
      named(T0 + 1, 1, { a: 2 }, other),
      named(T0 + 2, 1, { a: 3 }, foreign),
      named(T0 + 3, 2, { a: 4 }),
      message(T0 + 4, 1, { a: 5 }),
      message(T0 + 5, 1, { a: 6 }),
    ];
    assert.deepEqual(await store.write(batch), counts(6, 0));
    assert.deepEqual(await store.write([named(T0 + 9, 1, { a: 9 }, foreign)]), counts(0, 1));
    assert.deepEqual(
      (await store.range(all)).map(({ ts }) => ts - T0),
      [0, 3, 4, 5],
    );
  });

  test("a name counts from its first arrival for the configured hours, whichever way the clock goes; then it is another reading's", async (t) => {
    const { store } = await open(t, { readingNameHours: 2 });
    const at = (hours: number) => named(T0 + hours * HOUR, 1, { a: hours });
    const messages = [0, 1.5, 2, -2, 2.5, 4.5, 7].map(at);
    const outcomes = [];
    for (const one of messages) outcomes.push((await store.write([one])).stored);
    assert.deepEqual(outcomes, [1, 0, 0, 0, 1, 0, 1]);
    const stored = (await store.range(all)).map(({ values }) => values["a"]);
    assert.deepEqual(stored, [0, 2.5, 7]);
    assert.deepEqual(await store.write(messages), counts(0, 7), "read again from their channel, they change nothing");
  });

  test("many names that are over don't hide one that counts, and a replay of them all changes nothing", async (t) => {
    const { store } = await open(t, { readingNameHours: 1 });
    const batches = Array.from({ length: 20 }, (_, hours) =>
      [0, 0.1].flatMap((late) =>
        Array.from({ length: 10 }, (_, n) => named(T0 + (hours + late) * HOUR, 100 * hours + n, { a: n })),
      ),
    );
    for (const batch of batches) assert.deepEqual(await store.write(batch), counts(10, 10));
    for (const batch of batches) assert.deepEqual(await store.write(batch), counts(0, 20));
  });

  test("with 0 hours each arrival is a reading", async (t) => {
    const { store } = await open(t, { readingNameHours: 0 });
    assert.deepEqual(await store.write([named(T0, 1, { a: 1 }), named(T0 + 1, 1, { a: 1 })]), counts(2, 0));
  });

  test("names of a batch that was refused are not remembered", async (t) => {
    const { store } = await open(t);
    const poison = message(T0, 9, { bad: Number.NaN });
    await assert.rejects(store.write([named(T0, 1, { a: 1 }), poison]), { type: "READING_REFUSED" });
    assert.deepEqual(await store.write([named(T0 + 5, 1, { a: 1 })]), counts(1, 0));
    assert.equal((await store.range(all))[0]?.ts, T0 + 5);
  });

  test("a named reading that is handed back has the time of its first arrival", async (t) => {
    const { store } = await open(t, { metricsPerDeviceMax: 1 });
    await store.write([message(T0, 9, { a: 1 })]);
    for (const ts of [T0, T0 + 5]) {
      const { refused } = await store.write([named(ts, 1, { b: 1 })]);
      assert.deepEqual(
        refused.map(({ reading }) => [reading.ts, reading.seq]),
        [[T0, 1]],
      );
    }
  });

  test("a named reading that was deleted and comes again is at its first arrival", async (t) => {
    const { store } = await open(t);
    await store.write([named(T0, 1, { a: 1 })]);
    await store.delete(DEVICE);
    assert.deepEqual(await store.write([named(T0 + 5, 1, { a: 1 })]), counts(1, 0));
    assert.equal((await store.range(all))[0]?.ts, T0);
  });

  test("a named reading whose arrival is no instant is refused, naming the field", async (t) => {
    const { store } = await open(t);
    const wrong = { ...named(T0, 1, { a: 1 }), receivedAt: undefined as unknown as number };
    await assert.rejects(store.write([wrong]), { type: "READING_REFUSED", message: /receivedAt/ });
  });
}
