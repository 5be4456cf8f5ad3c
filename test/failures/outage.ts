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
import { ask, judgeAll, publisherFile } from "../kill/procedure.ts";
import type { Plan, PublisherState } from "../kill/publisher.ts";
import { restClient } from "../support/rest.ts";
import type { ClusterOnEngines } from "./cluster-on-engines.ts";
import type { Victim } from "./victims.ts";

export const RATE_PER_SECOND = 500;
/** Flow has to be back so long after the return of what was away. */
export const BACK_MS = 15_000;
const BEFORE_MS = 1000;
const AFTER_MS = 1000;
const BEGINS_MS_MAX = 20_000;
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
  /** From the return until what was sent afterwards is read by REST. */
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
  const ended = once(publisher, "exit") as Promise<[number | null]>;
  await sleep(BEFORE_MS);
  const rss = watchRss(on);
  try {
    const { acknowledged: before } = await ask(publisher);
    const last = lastState(publisher);
    await victim.kill(on);
    await sleep(awayMs);
    await victim.start(on);
    const flowAfterMs = await flowsAgain(on, plan, performance.now());
    const { resent } = await last;
    assert.deepEqual(await ended, [0, null], "the publisher has all its acknowledgements");
    const verdict = await judgeAll(restOf(on), plan, BACK_MS);
    return { plan, verdict, before, resent, flowAfterMs, rssGrowthMb: rss.growthMb() };
  } finally {
    rss.end();
  }
}

/** The stand-in for MongoDB looks at every reading that it has, whatever is asked for. */
export async function forget(on: ClusterOnEngines, { devices }: Plan): Promise<void> {
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

/** Milliseconds from the return until a message that was acknowledged after it is read by REST. */
async function flowsAgain(
  on: ClusterOnEngines,
  { devices, messagesPerDevice, logFile }: Plan,
  back: number,
): Promise<number> {
  const [{ id } = { id: "" }] = devices;
  const newestAcknowledged = () => Math.max(-1, ...(acknowledgedOf(logFile).get(id) ?? []));
  // Where the outage let everything pass there may be nothing to come.
  const before = Math.min(newestAcknowledged(), messagesPerDevice - 2);
  for (;;) {
    const read = await newestRead(on, id);
    if (read > before && newestAcknowledged() > before) return Math.round(performance.now() - back);
    if (performance.now() - back > 4 * BACK_MS) return Number.POSITIVE_INFINITY;
    await sleep(50);
  }
}

/** Number of the newest reading that REST tells of; -1 where it tells nothing. */
async function newestRead({ cluster }: ClusterOnEngines, id: string): Promise<number> {
  try {
    // A call that was on its way at the end of the outage would be waited for to its own limit.
    const signal = AbortSignal.timeout(2000);
    const response = await fetch(`${cluster.urls["http"]}/v1/devices/${id}/readings?order=desc&limit=1`, { signal });
    const { items } = (await response.json()) as { items?: { values: { n: number } }[] };
    return items?.[0]?.values.n ?? -1;
  } catch {
    return -1;
  }
}

function watchRss({ cluster }: ClusterOnEngines) {
  const first = new Map<number, number>();
  let growth = 0;
  const look = (begins: boolean) => {
    for (const pid of cluster.pids)
      try {
        const mb = rssMb(pid);
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
