import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { MetricValues, TelemetryReceived } from "../../../schemas/telemetry.ts";
import type { LatestStore } from "../../../services/telemetry/latest/latest-store.ts";
import type { ReadingStore } from "../../../services/telemetry/reading-store/reading-store.ts";
import { DEVICE, message } from "../reading-store/suite/subject.ts";

/** An empty latest store over an empty reading store, for each test. */
export type OpenLatest = (
  t: TestContext,
  options?: { cachedDevicesMax?: number },
) => Promise<{
  readings: ReadingStore;
  latest: LatestStore;
  /** Closes it and opens what it stored again. */
  reopen(): Promise<LatestStore>;
  /** What it stored, as another process has it open. */
  another(): Promise<LatestStore>;
}>;

export const valuesOf = async (latest: LatestStore, device = DEVICE) => {
  const metrics = (await latest.get(device.tenantId, [device.deviceId])).get(device.deviceId);
  return metrics && Object.fromEntries(Array.from(metrics, ([name, { ts, value }]) => [name, [ts, value]]));
};

/** A reading without a time of its own, which its sender has named 1 (or `seq`). */
export const named = (ts: number, values: MetricValues, seq = 1): TelemetryReceived => ({
  ...message(ts, seq, values),
  readings: [{ ts, seq, values, named: true }],
});

/** What every latest store promises, whatever engine it stands on. */
export function latestStoreSuite(engine: string, open: OpenLatest): void {
  describe(`latest store on ${engine}`, () => {
    for (const cachedDevicesMax of [20_000, 2])
      test(`what was merged is there at once and after it was opened again (${cachedDevicesMax} devices in memory)`, async (t) => {
        const { latest, reopen } = await open(t, { cachedDevicesMax });
        const devices = ["a", "b", "c", "d", "e"].map((deviceId) => ({ tenantId: "default", deviceId }));
        for (const ts of [1, 3, 2])
          await latest.merge(devices.map((device) => message(ts, ts, { n: ts, [`m${ts}`]: device.deviceId }, device)));
        const again = await reopen();
        for (const device of devices) {
          const id = device.deviceId;
          const expected: Record<string, unknown> = { n: [3, 3], m1: [1, id], m3: [3, id], m2: [2, id] };
          assert.deepEqual(await valuesOf(again, device), expected);
          await again.merge([message(2, 2, { n: 2, m2: "again" }, device)]);
          assert.deepEqual(await valuesOf(again, device), expected, "a batch that comes again changes nothing");
        }
      });

    test("values keep their type", async (t) => {
      const { latest } = await open(t);
      await latest.merge([message(1, 1, { number: 0.1, yes: true, text: '"1"', big: 1e300 })]);
      assert.deepEqual(await valuesOf(latest), { number: [1, 0.1], yes: [1, true], text: [1, '"1"'], big: [1, 1e300] });
    });

    test("tenants are apart, and devices without values are left out", async (t) => {
      const { latest } = await open(t);
      const foreign = { ...DEVICE, tenantId: "acme" };
      await latest.merge([message(1, 1, { a: 1 }), message(1, 1, { a: 2 }, foreign)]);
      assert.deepEqual([await valuesOf(latest), await valuesOf(latest, foreign)], [{ a: [1, 1] }, { a: [1, 2] }]);
      assert.deepEqual([...(await latest.get("acme", ["none", DEVICE.deviceId, "other"])).keys()], [DEVICE.deviceId]);
    });

    test("a device that is not known yet begins with what the reading store has", async (t) => {
      const { latest, readings } = await open(t);
      await readings.write([message(5, 1, { old: 1, both: 1 }), message(9, 1, { both: 9 })]);
      assert.deepEqual(await valuesOf(latest), { old: [5, 1], both: [9, 9] });
      await latest.merge([message(7, 1, { both: 7, fresh: 7 })]);
      assert.deepEqual(await valuesOf(latest), { old: [5, 1], both: [9, 9], fresh: [7, 7] });
    });

    test("deleted values make way for those that the reading store has left, or for none", async (t) => {
      const { latest, readings } = await open(t);
      const batch = [message(1, 1, { a: 1, b: 1 }), message(5, 1, { a: 5, c: 5 }), message(9, 1, { d: 9 })];
      await readings.write(batch);
      await latest.merge(batch);
      await readings.delete({ ...DEVICE, from: 5, to: 6 });
      await latest.forget({ ...DEVICE, from: 5, to: 6 });
      assert.deepEqual(await valuesOf(latest), { a: [1, 1], b: [1, 1], d: [9, 9] });
      await readings.delete(DEVICE);
      await latest.forget(DEVICE);
      assert.equal(await valuesOf(latest), undefined);
      await latest.merge([message(2, 1, { a: 2 })]);
      assert.deepEqual(await valuesOf(latest), { a: [2, 2] });
    });

    test("what another process wrote meanwhile is not written over", async (t) => {
      const { latest, another } = await open(t);
      const other = await another();
      await latest.merge([message(1, 1, { a: 1 })]);
      await other.merge([message(9, 1, { a: 9 })]);
      await latest.merge([message(5, 1, { a: 5, b: 5 })]);
      assert.deepEqual(await valuesOf(latest), { a: [9, 9], b: [5, 5] });
    });

    test("after close every method says that the engine is unavailable", async (t) => {
      const { latest } = await open(t);
      await latest.merge([message(1, 1, { a: 1 })]);
      await latest.close();
      await latest.close();
      const unavailable = { name: "EngineUnavailableError", outage: true };
      await assert.rejects(latest.merge([message(2, 2, { a: 1 })]), unavailable);
      await assert.rejects(latest.get("default", ["a"]), unavailable);
      await assert.rejects(latest.forget(DEVICE), unavailable);
    });

    test("a named reading that comes again does not take the place of newer values, over a reopening too", async (t) => {
      const { latest, reopen } = await open(t);
      await latest.merge([named(10, { a: "old", b: 1 }), message(15, 15, { a: "new" }), named(20, { a: "old", b: 1 })]);
      const expected = { a: [15, "new"], b: [10, 1] };
      assert.deepEqual(await valuesOf(latest), expected);
      const again = await reopen();
      await again.merge([named(30, { a: "old", b: 1 })]);
      assert.deepEqual(await valuesOf(again), expected);
      await again.merge([named(40, { a: "newest" }, 2)]);
      assert.deepEqual(await valuesOf(again), { ...expected, a: [40, "newest"] });
    });

    test("two processes that merge at once lose nothing of each other", async (t) => {
      const { latest, another } = await open(t);
      const other = await another();
      for (let round = 1; round <= 5; round++)
        await Promise.all(
          [latest, other].flatMap((store, who) =>
            [0, 1].map((which) => store.merge([message(10 * round + who, which, { [`m${who}`]: round, both: who })])),
          ),
        );
      assert.deepEqual(await valuesOf(other), { m0: [50, 5], m1: [51, 5], both: [51, 1] });
      assert.deepEqual(await valuesOf(latest), await valuesOf(other));
    });
  });
}
