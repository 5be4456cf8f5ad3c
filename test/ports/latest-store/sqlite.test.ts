import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { MetricValues, TelemetryReceived } from "../../../schemas/telemetry.ts";
import { SqliteLatest, type SqliteLatestOptions } from "../../../services/telemetry/latest/sqlite-latest.ts";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { DEVICE, message } from "../reading-store/suite/subject.ts";

function openIn(t: TestContext, options: Partial<SqliteLatestOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "latest-store-"));
  const readings = new SqliteReadingStore({ file: join(folder, "readings.db"), synchronous: "NORMAL" });
  const file = join(folder, "latest.db");
  const stores: SqliteLatest[] = [];
  const open = () => {
    const limits = { synchronous: "NORMAL", metricsPerDeviceMax: 1000 } as const;
    const store = new SqliteLatest({ ...limits, ...options, file }, (device) => readings.newest(device));
    stores.push(store);
    return store;
  };
  t.after(async () => {
    for (const store of stores) await store.close();
    await readings.close();
    rmSync(folder, { recursive: true });
  });
  return { file, readings, open, latest: open() };
}

const valuesOf = async (latest: SqliteLatest, device = DEVICE) => {
  const metrics = (await latest.get(device.tenantId, [device.deviceId])).get(device.deviceId);
  return metrics && Object.fromEntries(Array.from(metrics, ([name, { ts, value }]) => [name, [ts, value]]));
};

for (const cachedDevicesMax of [20_000, 2])
  test(`what was merged is there at once and after it was opened again (${cachedDevicesMax} devices in memory)`, async (t) => {
    const { latest, open } = openIn(t, { cachedDevicesMax });
    const devices = ["a", "b", "c", "d", "e"].map((deviceId) => ({ tenantId: "default", deviceId }));
    for (const ts of [1, 3, 2])
      await latest.merge(devices.map((device) => message(ts, ts, { n: ts, [`m${ts}`]: device.deviceId }, device)));
    await latest.close();
    const again = open();
    for (const device of devices) {
      const id = device.deviceId;
      const expected: Record<string, unknown> = { n: [3, 3], m1: [1, id], m3: [3, id], m2: [2, id] };
      assert.deepEqual(await valuesOf(again, device), expected);
      await again.merge([message(2, 2, { n: 2, m2: "again" }, device)]);
      assert.deepEqual(await valuesOf(again, device), expected, "a batch that comes again changes nothing");
    }
  });

test("values keep their type", async (t) => {
  const { latest } = openIn(t);
  await latest.merge([message(1, 1, { number: 0.1, yes: true, text: '"1"', big: 1e300 })]);
  assert.deepEqual(await valuesOf(latest), { number: [1, 0.1], yes: [1, true], text: [1, '"1"'], big: [1, 1e300] });
});

test("tenants are apart, and devices without values are left out", async (t) => {
  const { latest } = openIn(t);
  const foreign = { ...DEVICE, tenantId: "acme" };
  await latest.merge([message(1, 1, { a: 1 }), message(1, 1, { a: 2 }, foreign)]);
  assert.deepEqual([await valuesOf(latest), await valuesOf(latest, foreign)], [{ a: [1, 1] }, { a: [1, 2] }]);
  assert.deepEqual([...(await latest.get("acme", ["none", DEVICE.deviceId, "other"])).keys()], [DEVICE.deviceId]);
});

test("a device that is not known yet begins with what the reading store has", async (t) => {
  const { latest, readings } = openIn(t);
  await readings.write([message(5, 1, { old: 1, both: 1 }), message(9, 1, { both: 9 })]);
  assert.deepEqual(await valuesOf(latest), { old: [5, 1], both: [9, 9] });
  await latest.merge([message(7, 1, { both: 7, fresh: 7 })]);
  assert.deepEqual(await valuesOf(latest), { old: [5, 1], both: [9, 9], fresh: [7, 7] });
});

test("deleted values make way for those that the reading store has left, or for none", async (t) => {
  const { latest, readings } = openIn(t);
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
  const { latest, open } = openIn(t);
  const other = open();
  await latest.merge([message(1, 1, { a: 1 })]);
  await other.merge([message(9, 1, { a: 9 })]);
  await latest.merge([message(5, 1, { a: 5, b: 5 })]);
  assert.deepEqual(await valuesOf(latest), { a: [9, 9], b: [5, 5] });
});

test("while the file cannot be written, a batch is refused as an outage, and nothing of it is remembered", async (t) => {
  const { latest, file } = openIn(t, { busyTimeoutMs: 20 });
  await latest.merge([message(1, 1, { a: 1 })]);
  const other = new DatabaseSync(file);
  t.after(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(latest.merge([message(2, 1, { a: 2 })]), { name: "EngineUnavailableError", outage: true });
  assert.deepEqual(await valuesOf(latest), { a: [1, 1] });
  other.exec("ROLLBACK");
  await latest.merge([message(2, 1, { a: 2 })]);
  assert.deepEqual(await valuesOf(latest), { a: [2, 2] });
});

test("a file of a newer version is refused, naming it", async (t) => {
  const { latest, file, open } = openIn(t);
  await latest.close();
  const newer = new DatabaseSync(file);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  assert.throws(open, /latest\.db: latest store of version 99, written by a newer program; this one knows version 3/);
});

test("after close every method says that the engine is unavailable", async (t) => {
  const { latest } = openIn(t);
  await latest.merge([message(1, 1, { a: 1 })]);
  await latest.close();
  await latest.close();
  const unavailable = { name: "EngineUnavailableError", outage: true };
  await assert.rejects(latest.merge([message(2, 2, { a: 1 })]), unavailable);
  await assert.rejects(latest.get("default", ["a"]), unavailable);
  await assert.rejects(latest.forget(DEVICE), unavailable);
});

/** A reading without a time of its own, which its sender has named 1 (or `seq`). */
const named = (ts: number, values: MetricValues, seq = 1): TelemetryReceived => ({
  ...message(ts, seq, values),
  readings: [{ ts, seq, values, named: true }],
});

test("a named reading that comes again does not take the place of newer values, over a reopening too", async (t) => {
  const { latest, open } = openIn(t);
  await latest.merge([named(10, { a: "old", b: 1 }), message(15, 15, { a: "new" }), named(20, { a: "old", b: 1 })]);
  const expected = { a: [15, "new"], b: [10, 1] };
  assert.deepEqual(await valuesOf(latest), expected);
  await latest.close();
  const again = open();
  await again.merge([named(30, { a: "old", b: 1 })]);
  assert.deepEqual(await valuesOf(again), expected);
  await again.merge([named(40, { a: "newest" }, 2)]);
  assert.deepEqual(await valuesOf(again), { ...expected, a: [40, "newest"] });
});

test("a file of version 2 is migrated, and keeps what it holds", async (t) => {
  const { latest, file, open } = openIn(t);
  await latest.merge([message(1, 1, { a: 1 })]);
  await latest.close();
  const db = new DatabaseSync(file);
  db.exec("DROP TABLE named; PRAGMA user_version = 2");
  db.close();
  const again = open();
  await again.merge([named(5, { b: 1 }), named(6, { b: 1 })]);
  assert.deepEqual(await valuesOf(again), { a: [1, 1], b: [5, 1] });
});
