import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { rssMb } from "../../bench/process-figures.ts";
import { acknowledgedOf, type Verdict } from "../kill/oracle.ts";
import { ask, judgeAll, publisherFile, throughRest } from "../kill/procedure.ts";
import type { Plan, PublisherState } from "../kill/publisher.ts";
import { restClient } from "../support/rest.ts";
import type { ClusterOnEngines } from "./cluster-on-engines.ts";
import { storedDocuments } from "./stored-documents.ts";
import type { Victim } from "./victims.ts";

export const RATE_PER_SECOND = 500;
/** Flow has to be back so long after the return of what was away. */
export const BACK_MS = 15_000;
const BEFORE_MS = 1000;
const AFTER_MS = 1000;
const BEGINS_MS_MAX = 20_000;
/** After longer outages the store is judged by a raw driver. */
const REST_MS_MAX = 15_000;
/** So long the number of stored readings stands still, after a longer outage, until nothing more is waited for. */
const STANDSTILL_MS = 30_000;
/** A call that was on its way at the end of the outage would be waited for to its own limit. */
const READ_MS = 2000;
/** The stand-in for MongoDB takes longer to look at what a minute leaves. */
const LONG_READ_MS = 10_000;
const RSS_SAMPLE_MS = 250;
const FIRST_TS = 1_700_000_000_000;

export interface OutageOptions {
  victim: Pick<Victim, "kill" | "start">;
  awayMs: number;
  /** @default 2 */
  devices?: number;
}

export interface Outage {
  plan: Plan;
  verdict: Verdict;
  /** Messages that were acknowledged before the kill. */
  before: number;
  resent: number;
  /** From the return until what was acknowledged after it is read by REST; after the longest outages, after the kill. */
  flowAfterMs: number;
  /** Of the process that grew the most, at its largest during the outage and after it. */
  rssGrowthMb: number;
}

let runs = 0;
const restOf = ({ cluster }: ClusterOnEngines) => restClient(String(cluster.urls["http"]));

/** Devices that publish from a process of their own, which has begun: something is acknowledged. */
export async function load(t: TestContext, on: ClusterOnEngines, awayMs: number, devices = 2) {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-outage-"));
  const plan = await planFor(on, awayMs, devices, join(folder, "acknowledged.log"));
  const publisher = fork(publisherFile, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  t.after(() => {
    publisher.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  const begun = Date.now();
  for (let acknowledged = 0; acknowledged === 0; await sleep(20)) {
    ({ acknowledged } = await ask(publisher));
    assert.ok(Date.now() - begun < BEGINS_MS_MAX, "the load has begun");
  }
  return { plan, publisher };
}

/** Kills something under load, lets it come back after its time, and judges what is stored in the end. */
export async function outageOf(
  t: TestContext,
  on: ClusterOnEngines,
  { victim, awayMs, devices }: OutageOptions,
): Promise<Outage> {
  const { plan, publisher } = await load(t, on, awayMs, devices);
  // Also where the test fails: what it left would slow down those that follow.
  t.after(() => forget(on, plan));
  const ended = once(publisher, "exit") as Promise<[number | null]>;
  await sleep(BEFORE_MS);
  const rss = watchRss(on);
  try {
    const { acknowledged: before } = await ask(publisher);
    const last = lastState(publisher);
    await victim.kill(on);
    const long = awayMs > REST_MS_MAX;
    const killedAt = newestAcknowledged(plan);
    await sleep(awayMs);
    await victim.start(on);
    // What was acknowledged in the longest outages is more than the stand-in for MongoDB writes in the time.
    const flowAfterMs = long
      ? await flowsAgain(on, plan, killedAt, LONG_READ_MS)
      : await flowsAgain(on, plan, newestAcknowledged(plan), READ_MS);
    const { resent } = await last;
    assert.deepEqual(await ended, [0, null], "the publisher has all its acknowledgements");
    const verdict = await verdictOf(on, plan, awayMs);
    return { plan, verdict, before, resent, flowAfterMs, rssGrowthMb: rss.growthMb() };
  } finally {
    rss.end();
  }
}

async function verdictOf(on: ClusterOnEngines, plan: Plan, awayMs: number): Promise<Verdict> {
  if (awayMs <= REST_MS_MAX) return judgeAll(throughRest(restOf(on)), plan, BACK_MS);
  const stored = await storedDocuments(on.mongo.url);
  try {
    return await judgeAll(stored, plan, STANDSTILL_MS);
  } finally {
    await stored.close();
  }
}

/** The stand-in for MongoDB looks at every reading that it has, whatever is asked for. */
async function forget(on: ClusterOnEngines, { devices }: Plan): Promise<void> {
  for (const { id } of devices) await restOf(on).request("DELETE", `/v1/devices/${id}?readings=delete`);
}

async function planFor(on: ClusterOnEngines, awayMs: number, count: number, logFile: string): Promise<Plan> {
  const rest = restOf(on);
  const devices: Plan["devices"] = [];
  runs++;
  for (let index = 0; index < count; index++) {
    const id = `outage-${runs}-${index}`;
    await rest.register(id);
    devices.push({ id, secret: await rest.credential(id), version: index % 2 === 0 ? 4 : 5 });
  }
  const perSecond = RATE_PER_SECOND / count;
  const messagesPerDevice = Math.ceil(((BEFORE_MS + awayMs + AFTER_MS) / 1000) * perSecond);
  return {
    ...{ mqtt: String(on.cluster.urls["mqtt"]), devices, messagesPerDevice, perSecond, logFile },
    ...{ firstTs: FIRST_TS, window: 1000 },
  };
}

/** Asked all the time, because it says nothing any more when it has ended. */
async function lastState(publisher: ChildProcess): Promise<PublisherState> {
  let state: PublisherState = { acknowledged: 0, inFlight: 0, lost: 0, resent: 0 };
  for (; publisher.connected; await sleep(50)) state = await ask(publisher).catch(() => state);
  return state;
}

const newestAcknowledged = ({ devices: [device], logFile }: Plan) =>
  Math.max(-1, ...(acknowledgedOf(logFile).get(device?.id ?? "") ?? []));

/** Milliseconds from now until a message is read by REST that was acknowledged after the message of this number. */
async function flowsAgain(on: ClusterOnEngines, plan: Plan, former: number, readMs: number): Promise<number> {
  const begun = performance.now();
  // Where the outage let everything pass there may be nothing to come.
  const before = Math.min(former, plan.messagesPerDevice - 2);
  const from = new Date(plan.firstTs + before + 1).toISOString();
  for (;;) {
    if (newestAcknowledged(plan) > before && (await isRead(on, String(plan.devices[0]?.id), from, readMs)))
      return Math.round(performance.now() - begun);
    if (performance.now() - begun > 4 * BACK_MS) return Number.POSITIVE_INFINITY;
    await sleep(50);
  }
}

/** Whether REST tells of a reading of that time or later. */
async function isRead({ cluster }: ClusterOnEngines, id: string, from: string, readMs: number): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(readMs);
    const response = await fetch(`${cluster.urls["http"]}/v1/devices/${id}/readings?from=${from}&limit=1`, { signal });
    const { items } = (await response.json()) as { items?: unknown[] };
    return items !== undefined && items.length > 0;
  } catch {
    return false;
  }
}

function watchRss({ cluster }: ClusterOnEngines) {
  const first = new Map<number, number>();
  let growth = 0;
  const look = (begins: boolean) => {
    for (const pid of cluster.pids)
      try {
        const mb = rssMb(pid);
        // One that is just ending has none any more.
        if (!Number.isFinite(mb)) continue;
        // One that is new begins from nothing: it has no growth of its own.
        if (begins) first.set(pid, mb);
        growth = Math.max(growth, mb - (first.get(pid) ?? mb));
      } catch {
        // It is dead at the moment.
      }
  };
  look(true);
  const timer = setInterval(look, RSS_SAMPLE_MS, false);
  return { growthMb: () => Math.round(growth), end: () => clearInterval(timer) };
}
