import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { SqliteLatest, type SqliteLatestOptions } from "../../../services/telemetry/latest/sqlite-latest.ts";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { message } from "../reading-store/suite/subject.ts";
import { latestStoreSuite, named, valuesOf } from "./suite.ts";

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

latestStoreSuite("SQLite", async (t, options) => {
  const { readings, open, latest } = openIn(t, options);
  const reopen = async () => {
    await latest.close();
    return open();
  };
  return { readings, latest, reopen, another: async () => open() };
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
