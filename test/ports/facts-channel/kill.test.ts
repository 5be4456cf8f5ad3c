import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Entry, kill, readLedger, startWorker } from "./worker-process.ts";

const KILLS = 12;

/** Kills a worker again and again at random moments; the last life drains the channel. Returns its ledger. */
async function livesAndDeaths(t: TestContext, broken: boolean): Promise<Entry[]> {
  const dir = mkdtempSync(join(tmpdir(), "facts-kill-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const worker = { dir, broken, handlerMs: 3, batchSize: 20 };
  for (let life = 1; life <= KILLS; life++) {
    const child = await startWorker({ ...worker, life, publishes: true });
    await sleep(20 + Math.random() * 200);
    await kill(child);
  }
  const last = await startWorker({ ...worker, life: KILLS + 1 });
  last.send("drain");
  await once(last, "exit");
  return readLedger(dir);
}

const nameOf = ({ key, life, n }: Entry) => `${key} ${life} ${n}`;

/** Acknowledged messages that were never handled. */
function lostOf(ledger: Entry[]): string[] {
  const handled = new Set(ledger.filter(({ what }) => what === "handled").map(nameOf));
  return ledger.filter((entry) => entry.what === "acknowledged" && !handled.has(nameOf(entry))).map(nameOf);
}

/**
 * Messages out of order: within one process each key only goes forward, and no message is handled for the first time
 * after a later one of its key.
 */
function disorderOf(ledger: Entry[]): string[] {
  const before = (a: Entry | undefined, b: Entry) => !a || a.life < b.life || (a.life === b.life && a.n < b.n);
  const newest = new Map<string, Entry>();
  const newestOfProcess = new Map<string, Entry>();
  const known = new Set<string>();
  const wrong: string[] = [];
  for (const entry of ledger.filter(({ what }) => what === "handled")) {
    const own = `${entry.key} ${entry.pid}`;
    if (!before(newestOfProcess.get(own), entry)) wrong.push(`${nameOf(entry)} again in one process`);
    newestOfProcess.set(own, entry);
    if (!known.has(nameOf(entry)) && !before(newest.get(entry.key), entry)) wrong.push(`${nameOf(entry)} too late`);
    if (before(newest.get(entry.key), entry)) newest.set(entry.key, entry);
    known.add(nameOf(entry));
  }
  return wrong;
}

test(`what was acknowledged is delivered at least once, in order, although the process is killed ${KILLS} times`, async (t) => {
  const ledger = await livesAndDeaths(t, false);
  assert.ok(
    ledger.filter(({ what }) => what === "acknowledged").length > KILLS * 3,
    "something was acknowledged in every life",
  );
  assert.deepEqual(lostOf(ledger), []);
  assert.deepEqual(disorderOf(ledger), []);
});

test("control: the same check finds what is lost when the position is committed before the handler", async (t) => {
  assert.notEqual(lostOf(await livesAndDeaths(t, true)).length, 0);
});
