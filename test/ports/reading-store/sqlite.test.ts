import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import { DELETE_REST, DELETE_STEP } from "../../../services/telemetry/reading-store/sqlite/delete.ts";
import { rangeSql } from "../../../services/telemetry/reading-store/sqlite/range.ts";
import {
  SqliteReadingStore,
  type SqliteReadingStoreOptions,
} from "../../../services/telemetry/reading-store/sqlite.ts";
import { DEVICE, FUNCTIONS, message } from "./suite/subject.ts";
import { readingStoreSuite } from "./suite.ts";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "reading-store-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function openIn(t: TestContext, options: Partial<SqliteReadingStoreOptions> = {}) {
  const file = options.file ?? join(folderOf(t), "readings.db");
  const store = new SqliteReadingStore({ synchronous: "NORMAL", ...options, file });
  t.after(() => store.close());
  return { file, store };
}

readingStoreSuite("SQLite", async (t, options) => {
  const { file, store } = openIn(t, options);
  const reopen = async () => {
    await store.close();
    return openIn(t, { ...options, file }).store;
  };
  return { store, reopen };
});

readingStoreSuite("SQLite, in steps of one reading and with 2 devices in memory", async (t, options) => {
  const small = {
    ...options,
    aggregateStepRows: 1,
    aggregateTurnMs: 0,
    cachedDevicesMax: 2,
    deleteStepRows: 1,
    newestStepRows: 1,
  };
  const { file, store } = openIn(t, small);
  const reopen = async () => {
    await store.close();
    return openIn(t, { ...small, file }).store;
  };
  return { store, reopen };
});

test("a file of a newer version is refused, naming it", (t) => {
  const file = join(folderOf(t), "readings.db");
  const newer = new DatabaseSync(file);
  newer.exec("PRAGMA user_version = 99");
  newer.close();
  assert.throws(
    () => new SqliteReadingStore({ file }),
    /readings\.db: reading store of version 99, written by a newer program; this one knows version 3/,
  );
});

test("a file of version 2 is migrated: its readings are there, and names are kept from then on", async (t) => {
  const file = join(folderOf(t), "readings.db");
  const old = new DatabaseSync(file);
  const columns = Array.from({ length: 16 }, (_, slot) => `v${slot}`).join(", ");
  old.exec(`CREATE TABLE device(dev INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, UNIQUE(tenant, id));
    CREATE TABLE metric(dev INTEGER NOT NULL, slot INTEGER NOT NULL, name TEXT NOT NULL,
      PRIMARY KEY(dev, slot), UNIQUE(dev, name)) WITHOUT ROWID;
    CREATE TABLE reading(dev INTEGER NOT NULL, ts INTEGER NOT NULL, seq INTEGER NOT NULL,
      ${columns}, more TEXT, PRIMARY KEY(dev, ts, seq)) WITHOUT ROWID;
    INSERT INTO device VALUES(7, 'default', 'boiler-7'); INSERT INTO metric VALUES(7, 0, 'a');
    INSERT INTO reading(dev, ts, seq, v0) VALUES(7, 1, 1, 0.5);
    PRAGMA application_id = 0x476e6752; PRAGMA user_version = 2`);
  old.close();
  const { store } = openIn(t, { file });
  const named = (ts: number) => ({ ...message(ts, 2, {}), readings: [{ ts, seq: 2, values: { a: 1 }, named: true }] });
  assert.deepEqual(await store.write([named(5), named(6), message(1, 1, { a: 0.5 })] as TelemetryReceived[]), {
    ...{ stored: 1, duplicates: 2, refused: [] },
  });
  assert.deepEqual(await store.range({ ...DEVICE, order: "asc", limit: 10 }), [
    { ts: 1, seq: 1, values: { a: 0.5 } },
    { ts: 5, seq: 2, values: { a: 1 } },
  ]);
});

test("names that are over are dropped as others come: their table does not grow for ever", async (t) => {
  const { file, store } = openIn(t, { readingNameHours: 1 });
  const hour = 3_600_000_000;
  for (let n = 0; n < 100; n++) {
    const readings = Array.from({ length: 10 }, (_, k) => ({ ts: n * hour, seq: 10 * n + k, values: { a: 1 } }));
    await store.write([{ ...message(n * hour, 0, {}), readings: readings.map((one) => ({ ...one, named: true })) }]);
  }
  const db = new DatabaseSync(file);
  t.after(() => db.close());
  assert.equal(db.prepare("SELECT count(*) AS n FROM named").get()?.["n"], 20);
});

test("while another process writes, a write is refused as an outage, and works afterwards", async (t) => {
  const { file, store } = openIn(t, { busyTimeoutMs: 20 });
  await store.write([message(1, 1, { a: 1 })]);
  const other = new DatabaseSync(file);
  t.after(() => other.close());
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(store.write([message(2, 2, { b: 2 })]), { name: "EngineUnavailableError", outage: true });
  assert.equal((await store.range({ ...DEVICE, order: "asc", limit: 10 })).length, 1, "a reader is not held up");
  other.exec("ROLLBACK");
  assert.deepEqual(await store.write([message(2, 2, { b: 2 })]), { stored: 1, duplicates: 0, refused: [] });
});

test("when a commit fails, the numbers and slots it gave are forgotten", async (t) => {
  const { file, store } = openIn(t, { busyTimeoutMs: 20 });
  await store.write([message(1, 1, { a: "a" })]);
  const other = new DatabaseSync(file);
  t.after(() => other.close());
  // A deferred constraint that only this key breaks: every statement succeeds, the commit does not.
  other.exec(`CREATE TABLE broken(seq INTEGER REFERENCES device(dev) DEFERRABLE INITIALLY DEFERRED);
    CREATE TRIGGER break AFTER INSERT ON reading WHEN NEW.seq = 666 BEGIN INSERT INTO broken VALUES(-1); END;`);
  const fresh = { tenantId: "default", deviceId: "fresh" };
  await assert.rejects(
    store.write([message(2, 2, { b: "b", c: "c" }), message(2, 2, { x: "x" }, fresh), message(2, 666, {})]),
    /FOREIGN KEY/,
  );
  other.exec("DROP TRIGGER break; DROP TABLE broken");
  // Another process gives the same numbers and slots to other names.
  const second = openIn(t, { file }).store;
  await second.write([message(3, 3, { c: "c" }), message(3, 3, { y: "y" }, { ...fresh, deviceId: "rival" })]);
  await store.write([message(4, 4, { b: "b", c: "c" }), message(4, 4, { x: "x" }, fresh)]);
  const read = async (device: typeof DEVICE) =>
    (await store.range({ ...device, order: "asc", limit: 10 })).map((reading) => reading.values);
  assert.deepEqual(await read(DEVICE), [{ a: "a" }, { c: "c" }, { b: "b", c: "c" }]);
  assert.deepEqual(await read(fresh), [{ x: "x" }]);
  assert.deepEqual(await read({ ...fresh, deviceId: "rival" }), [{ y: "y" }]);
});

test("two processes that write the same device agree on its slots", async (t) => {
  const { file, store: one } = openIn(t);
  const { store: two } = openIn(t, { file });
  for (let ts = 0; ts < 40; ts += 2) {
    await one.write([message(ts, 0, { [`one ${ts % 18}`]: ts, both: true })]);
    await two.write([message(ts + 1, 0, { both: false, [`two ${ts % 14}`]: ts })]);
  }
  const readings = await one.range({ ...DEVICE, order: "asc", limit: 100 });
  assert.deepEqual(
    readings.map(({ values }) => Object.keys(values).sort()),
    Array.from({ length: 40 }, (_, ts) => ["both", ts % 2 === 0 ? `one ${ts % 18}` : `two ${(ts - 1) % 14}`]),
  );
  assert.deepEqual(await two.range({ ...DEVICE, order: "asc", limit: 100 }), readings);
});

for (const [order, plan] of [
  ["asc", "SEARCH reading USING PRIMARY KEY (dev=? AND (ts,seq)>(?,?) AND ts<?)"],
  ["desc", "SEARCH reading USING PRIMARY KEY (dev=? AND ts>? AND (ts,seq)<(?,?))"],
] as const) {
  test(`a further page is found by the key, without sorting or walking over the pages before it, ${order}`, (t) => {
    const { file } = openIn(t);
    const db = new DatabaseSync(file);
    t.after(() => db.close());
    const query = { ...DEVICE, order, from: 1, to: 9, after: { ts: 5, seq: 5 }, metrics: ["a"], limit: 10 };
    const { sql, bound } = rangeSql(["ts", "v0"], { dev: 1, metrics: [{ name: "a", slot: 0 }] }, query);
    const steps = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...bound);
    assert.deepEqual(
      steps.map((step) => step["detail"]),
      [plan],
    );
  });
}

/** How often other work had its turn so far. */
function turnsOf(t: TestContext): () => number {
  let turns = 0;
  const ticking = setInterval(() => {}, 1000);
  t.after(() => clearInterval(ticking));
  const tick = () => {
    turns++;
    running = setImmediate(tick);
  };
  let running = setImmediate(tick);
  t.after(() => clearImmediate(running));
  return () => turns;
}

const long = {
  ...message(0, 0, {}),
  readings: Array.from({ length: 5000 }, (_, ts) => ({ ts, seq: 0, values: { a: ts } })),
};

test("a long aggregation lets other work take its turn", async (t) => {
  const { store } = openIn(t, { aggregateStepRows: 100, aggregateTurnMs: 0 });
  await store.write([long]);
  const turns = turnsOf(t);
  const [item] = await store.aggregate({
    ...DEVICE,
    order: "asc",
    limit: 10,
    interval: { micros: 1e6 },
    functions: FUNCTIONS,
  });
  assert.equal(item?.metrics["a"]?.count, 5000);
  assert.ok(turns() >= 49, `${turns()} turns in 50 steps`);
});

test("a long deletion lets other work take its turn", async (t) => {
  const { store } = openIn(t, { deleteStepRows: 100 });
  await store.write([long]);
  const turns = turnsOf(t);
  assert.equal(await store.delete(DEVICE), 5000);
  assert.ok(turns() >= 49, `${turns()} turns in 50 steps`);
});

test("a step of a deletion is found by the key", (t) => {
  const { file } = openIn(t);
  const db = new DatabaseSync(file);
  t.after(() => db.close());
  for (const sql of [DELETE_STEP, DELETE_REST])
    for (const { detail } of db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all())
      assert.match(String(detail), /^SEARCH reading USING PRIMARY KEY \(dev=\? AND /);
});
