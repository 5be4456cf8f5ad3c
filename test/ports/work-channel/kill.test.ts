import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";
import { kill } from "../facts-channel/worker-process.ts";
import type { Job, WorkerOptions } from "./worker.ts";
import { type Entry, readLedger, startWorker } from "./worker-process.ts";
import { workingBroker } from "./working-broker.ts";

const KILLS = 12;
/** More than any item can lose by kills: the limit is reached by its own failures only. */
const DELIVERIES_MAX = KILLS + 8;

interface Dead {
  job: Job;
  cause: string | undefined;
}

interface Aftermath {
  ledger: Entry[];
  dead: Dead[];
  /** Items that are neither done nor dead. */
  left: number;
}

/**
 * Two workers at a time, one of which is killed again and again at random moments; the last ones drain the channel.
 * Returns what they wrote down, and the dead letters.
 */
async function livesAndDeaths(t: TestContext, broken?: WorkerOptions["broken"]): Promise<Aftermath> {
  const dir = mkdtempSync(join(tmpdir(), "work-kill-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const worker = { dir, handlerMs: 3, deliveriesMax: DELIVERIES_MAX, ...(broken ? { broken } : {}) };
  const survivor = await startWorker({ ...worker, life: 0 });
  for (let life = 1; life <= KILLS; life++) {
    const child = await startWorker({ ...worker, life, publishes: true });
    await sleep(20 + Math.random() * 120);
    await kill(child);
  }
  survivor.send("drain");
  await once(survivor, "exit");

  const dead: Dead[] = [];
  const broker = await workingBroker(new SqliteWorkAdapter({ file: join(dir, "work.db") }), {
    "jobs.dead": [
      { group: "undertaker", handler: (job: Job, raw) => void dead.push({ job, cause: raw.headers["x-dead-cause"] }) },
    ],
  });
  t.after(() => broker.stop());
  await t.waitFor(
    async () => {
      const depths = await broker.work.depths();
      assert.equal(depths.find(({ channel }) => channel === "jobs.dead")?.depth, 0);
    },
    { timeout: 30_000 },
  );
  const left = (await broker.work.depths()).find(({ channel }) => channel === "jobs")?.depth ?? 0;
  return { ledger: readLedger(dir), dead, left };
}

const nameOf = ({ fate, life, n }: Job) => `${fate} ${life} ${n}`;

/** What did not end as it was to: by the ledger of those who published and worked, and by the dead letters. */
function wrongsOf({ ledger, dead, left }: Aftermath): string[] {
  const handled = new Set(ledger.filter(({ what }) => what === "handled").map(nameOf));
  const handling = new Set(ledger.filter(({ what }) => what === "handling").map(nameOf));
  const causes = new Map<string, (string | undefined)[]>();
  for (const { job, cause } of dead) causes.set(nameOf(job), [...(causes.get(nameOf(job)) ?? []), cause]);
  const wrong = left === 0 ? [] : [`${left} items are left`];
  const accepted = ledger.filter(({ what }) => what === "acknowledged");
  // Of those that a killed publisher was not told of some are stored: they must end well, too.
  const known = new Map([...accepted, ...ledger, ...dead.map(({ job }) => job)].map((job) => [nameOf(job), job]));
  for (const [name, job] of known) {
    const expected = job.fate === "done" ? [] : [job.fate];
    const found = causes.get(name) ?? [];
    if (found.join() !== expected.join()) wrong.push(`${name}: dead letters [${found}], not [${expected}]`);
    if (job.fate === "done" && !handled.has(name)) wrong.push(`${name}: lost`);
    if (job.fate === "expired" && handling.has(name)) wrong.push(`${name}: handled although its time was up`);
  }
  return wrong;
}

test(`every accepted item is done, expired or dead with its cause, exactly one of them, although workers are killed ${KILLS} times`, async (t) => {
  const aftermath = await livesAndDeaths(t);
  const accepted = aftermath.ledger.filter(({ what }) => what === "acknowledged");
  assert.ok(accepted.length > KILLS * 4, "something was accepted in every life");
  assert.deepEqual(wrongsOf(aftermath), []);
  const again = aftermath.ledger.filter(({ what, fate }) => what === "handling" && fate === "done").length;
  const once = new Set(aftermath.ledger.filter(({ what, fate }) => what === "handled" && fate === "done").map(nameOf));
  assert.ok(again > once.size, "some items were in work when their worker was killed, and came again");
});

test("control: the same check finds what is lost when an item is acknowledged before its handler", async (t) => {
  const wrongs = wrongsOf(await livesAndDeaths(t, "acknowledges-early"));
  assert.ok(wrongs.some((wrong) => wrong.startsWith("done ") && wrong.endsWith(": lost")));
});
