import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { random } from "../../clients/device-simulator/random.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { type RestClient, restClient } from "../support/rest.ts";
import { acknowledgedOf, judge, type Verdict } from "./oracle.ts";
import type { Plan, PublisherState } from "./publisher.ts";

export interface KillOptions {
  /** Messages of all devices. */
  messages: number;
  kills: number;
  /** The same seed, the same moments in the messages' course. */
  seed: number;
  /** A build broken on purpose: a module of `controls` that is loaded before the platform. */
  control?: string | undefined;
  print(line: string): void;
}

export interface KillOutcome extends Verdict {
  /** Messages in flight at each kill. */
  inFlight: number[];
  /** Messages that the publisher sent again. */
  resent: number;
}

const DEVICES = 4;
const WINDOW = 200;
/** A kill is this late at most, after the acknowledged message that calls for it. */
const DELAY_MS_MAX = 30;
const PUBLISH_MS_MAX = 300_000;
/** So long the number of stored readings stands still until nothing more is waited for. */
const STANDSTILL_MS = 5000;
const FIRST_TS = 1_700_000_000_000;
export const publisherFile = fileURLToPath(new URL("./publisher.ts", import.meta.url));
const controlFile = (name: string) => new URL(`./controls/${name}.ts`, import.meta.url).href;

/**
 * Kills the platform with SIGKILL while a publisher in a process of its own goes on, starts it again at once, and holds
 * the store, read over REST, against the publisher's log.
 */
export async function killProcedure({ messages, kills, seed, control, print }: KillOptions): Promise<KillOutcome> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-kill-"));
  const nodeOptions = control === undefined ? [] : [`--import=${controlFile(control)}`];
  const start = (env: Record<string, string> = {}) =>
    startPlatform({ nodeOptions, dataDir: join(folder, "data"), env: { LOG_LEVEL: "error", ...env } });
  let platform = await start();
  let publisher: ChildProcess | undefined;
  try {
    const rest = restClient(platform.http);
    const plan = await planFor(rest, platform, messages, join(folder, "acknowledged.log"));
    publisher = fork(publisherFile, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const ended = once(publisher, "exit") as Promise<[number | null]>;
    const next = random(seed);
    const inFlight: number[] = [];
    let state: PublisherState = { acknowledged: 0, inFlight: 0, lost: 0, resent: 0 };
    for (let kill = 1; kill <= kills; kill++) {
      const due = Math.floor(((kill - 0.5 + next() * 0.9) / (kills + 1)) * messages);
      for (; state.acknowledged < due; await sleep(2)) state = await ask(publisher);
      await sleep(next() * DELAY_MS_MAX);
      const { lost } = state;
      await platform.kill("SIGKILL");
      // The process is gone; its last acknowledgements may still be on their way, and count until its sockets close.
      do state = await ask(publisher);
      while (state.inFlight > 0);
      inFlight.push(state.lost - lost);
      print(
        `kill ${kill}: ${state.acknowledged} acknowledged, ${inFlight.at(-1)} in flight, ${state.resent} resent so far`,
      );
      platform = await start(platform.addresses);
    }
    for (; publisher.connected; await sleep(50)) state = await ask(publisher).catch(() => state);
    const [code] = await ended;
    assert.equal(code, 0, `the publisher ended with ${code}`);
    const verdict = await judgeAll(throughRest(rest), plan);
    return { ...verdict, inFlight, resent: state.resent };
  } finally {
    publisher?.kill("SIGKILL");
    await platform.kill("SIGKILL");
    rmSync(folder, { recursive: true, maxRetries: 3 });
  }
}

export async function planFor(rest: RestClient, { mqtt }: Platform, messages: number, logFile: string): Promise<Plan> {
  const devices: Plan["devices"] = [];
  for (let index = 0; index < DEVICES; index++) {
    const id = `killed-${index + 1}`;
    await rest.register(id);
    devices.push({ id, secret: await rest.credential(id), version: index % 2 === 0 ? 4 : 5 });
  }
  return { mqtt, devices, messagesPerDevice: messages / DEVICES, firstTs: FIRST_TS, window: WINDOW, logFile };
}

/** @throws Error when the publisher does not answer, because it has ended. */
export async function ask(publisher: ChildProcess, question = "state"): Promise<PublisherState> {
  assert.ok(publisher.connected, "the publisher has ended too early");
  const settled = new AbortController();
  const signal = AbortSignal.any([settled.signal, AbortSignal.timeout(PUBLISH_MS_MAX)]);
  const answered = once(publisher, "message", { signal });
  const left = once(publisher, "disconnect", { signal }).then(() =>
    Promise.reject(new Error("the publisher has ended")),
  );
  for (const late of [answered, left]) late.catch(() => {});
  try {
    publisher.send(question, () => {});
    const [state] = (await Promise.race([answered, left])) as [PublisherState];
    return state;
  } finally {
    // The listeners of this question.
    settled.abort();
  }
}

/** The readings that a device has in the store, however they are read. */
export interface Stored {
  count(deviceId: string): Promise<number>;
  readings(deviceId: string): Promise<{ n: number; ms: number }[]>;
}

export const throughRest = (rest: RestClient): Stored => ({
  async count(id) {
    const days = await rest.aggregates(id, { interval: "P1D", aggregate: ["count"], metrics: "n" });
    return days.reduce((sum, { metrics }) => sum + Number(metrics["n"]?.count ?? 0), 0);
  },
  readings: async (id) =>
    (await rest.readings(id)).map(({ ts, values }) => ({ n: Number(values["n"]), ms: Date.parse(ts) })),
});

export async function judgeAll(
  stored: Stored,
  { devices, messagesPerDevice, firstTs, logFile }: Plan,
  standstillMs = STANDSTILL_MS,
): Promise<Verdict> {
  const acknowledged = acknowledgedOf(logFile);
  const total: Verdict = { acknowledged: 0, stored: 0, lost: 0, doubled: 0, unknown: 0 };
  for (const { id } of devices) {
    await storedAll(stored, id, acknowledged.get(id)?.size ?? 0, standstillMs);
    const verdict = judge(acknowledged.get(id) ?? new Set(), await stored.readings(id), (n) =>
      Number.isInteger(n) && n >= 0 && n < messagesPerDevice ? firstTs + n : undefined,
    );
    for (const key of Object.keys(total) as (keyof Verdict)[]) total[key] += verdict[key];
  }
  return total;
}

/** Waits until so many readings of the device are stored, or until no more come. */
async function storedAll(stored: Stored, id: string, expected: number, standstillMs: number): Promise<void> {
  let [before, since] = [-1, Date.now()];
  for (; before < expected && Date.now() - since < standstillMs; await sleep(50)) {
    const count = await stored.count(id);
    if (count !== before) [before, since] = [count, Date.now()];
  }
}
