import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { WorkAdapter } from "../../../lib/channels/base-adapter.ts";
import { kill, told } from "../facts-channel/worker-process.ts";
import type { Job, WorkerOptions } from "./worker.ts";
import { type Entry, readLedger, startWorker } from "./worker-process.ts";
import { workingBroker } from "./working-broker.ts";

/** An engine whose workers are killed. */
export interface KillEngine {
  /** Where a worker finds it; asked when the test runs. */
  worker(): Pick<WorkerOptions, "rabbitmq">;
  /** An adapter of the test's own, on what the folder stands for. */
  create(dir: string): WorkAdapter;
  /** Lets workers end when nothing is left to do. @default they end by their own count */
  drain?(workers: ChildProcess[], options: Partial<WorkerOptions> & { dir: string }): Promise<unknown>;
  /** A dead letter may be told twice, then with the same place of death: whoever keeps letters keeps one. */
  deadTwice: boolean;
}

export const KILLS = 12;
/** More than any item can lose by kills: the limit is reached by its own failures only. */
const DELIVERIES_MAX = KILLS + 8;

interface Dead {
  job: Job;
  cause: string | undefined;
}

export interface Aftermath {
  ledger: Entry[];
  dead: Dead[];
  /** Items that are neither done nor dead. */
  left: number;
}

/**
 * Two workers at a time, one of which is killed again and again at random moments; the last ones drain the channel.
 * Returns what they wrote down, and the dead letters.
 */
export async function livesAndDeaths(
  t: TestContext,
  engine: KillEngine,
  broken?: WorkerOptions["broken"],
): Promise<Aftermath> {
  const dir = mkdtempSync(join(tmpdir(), "work-kill-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const worker = {
    dir,
    ...engine.worker(),
    handlerMs: 10,
    deliveriesMax: DELIVERIES_MAX,
    ...(broken ? { broken } : {}),
  };
  const survivor = await startWorker({ ...worker, life: 0 });
  for (let life = 1; life <= KILLS; life++) {
    const child = await startWorker({ ...worker, life, publishes: true });
    await sleep(20 + Math.random() * 120);
    // With something in work: what a build ends too early is lost then.
    await told(child, "handling");
    await kill(child);
  }
  if (engine.drain) await engine.drain([survivor], worker);
  else {
    survivor.send("drain");
    await once(survivor, "exit");
  }
  return { ledger: readLedger(dir), ...(await burials(t, engine.create(dir), engine.deadTwice)) };
}

/** Every dead letter, and how many items are at no end. */
export async function burials(
  t: TestContext,
  adapter: WorkAdapter,
  deadTwice: boolean,
): Promise<Pick<Aftermath, "dead" | "left">> {
  const dead: Dead[] = [];
  const places = new Set<string>();
  const broker = await workingBroker(adapter, {
    "jobs.dead": [
      {
        group: "undertaker",
        handler(job: Job, { headers }) {
          const place = `${headers["x-original-position"]} ${headers["x-original-timestamp"]}`;
          if (!deadTwice || !places.has(place)) dead.push({ job, cause: headers["x-dead-cause"] });
          places.add(place);
        },
      },
    ],
  });
  t.after(() => broker.stop());
  const depthOf = async (name: string) =>
    (await broker.work.depths()).find(({ channel }) => channel === name)?.depth ?? 0;
  await t.waitFor(async () => assert.equal(await depthOf("jobs.dead"), 0), { timeout: 30_000 });
  // What nobody takes any more may still have to expire.
  for (const until = Date.now() + 10_000; (await depthOf("jobs")) > 0 && Date.now() < until; ) await sleep(100);
  return { dead, left: await depthOf("jobs") };
}

export const nameOf = ({ fate, life, n }: Job) => `${fate} ${life} ${n}`;

/** What did not end as it was to: by the ledger of those who published and worked, and by the dead letters. */
export function wrongsOf({ ledger, dead, left }: Aftermath): string[] {
  const handled = new Set(ledger.filter(({ what }) => what === "handled").map(nameOf));
  const handling = new Set(ledger.filter(({ what }) => what === "handling").map(nameOf));
  const causes = new Map<string, (string | undefined)[]>();
  for (const { job, cause } of dead) causes.set(nameOf(job), [...(causes.get(nameOf(job)) ?? []), cause]);
  const wrong = left === 0 ? [] : [`${left} items are left`];
  const accepted = ledger.filter(({ what }) => what === "acknowledged");
  // Of those that a killed publisher was not told of some are stored: they must end well, too.
  const stored = ledger.filter(({ what }) => what !== "refused");
  const known = new Map([...accepted, ...stored, ...dead.map(({ job }) => job)].map((job) => [nameOf(job), job]));
  for (const [name, job] of known) {
    const expected = job.fate === "done" ? [] : [job.fate];
    const found = causes.get(name) ?? [];
    if (found.join() !== expected.join()) wrong.push(`${name}: dead letters [${found}], not [${expected}]`);
    if (job.fate === "done" && !handled.has(name)) wrong.push(`${name}: lost`);
    if (job.fate === "expired" && handling.has(name)) wrong.push(`${name}: handled although its time was up`);
  }
  return wrong;
}
