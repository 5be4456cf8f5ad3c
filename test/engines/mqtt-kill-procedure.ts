import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Verdict } from "../kill/oracle.ts";
import { ask, judgeAll, publisherFile, throughRest } from "../kill/procedure.ts";
import type { Plan } from "../kill/publisher.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

export interface BrokerUnderTest {
  env: Record<string, string>;
  /** Where devices connect. */
  devices: string;
  /** Versions of MQTT that it speaks. */
  versions: readonly (4 | 5)[];
}

export interface KillPlan {
  broker: BrokerUnderTest;
  kills: number;
  /** Kills, and brings back, something else than the bridge. */
  kill?(): Promise<void>;
  /** A build broken on purpose: a module of `controls` that is loaded before the platform. */
  control?: string;
  print(line: string): void;
}

const DEVICES = 4;
const PER_SECOND = 60;
/** Of load before the first kill, between two, and after the last. */
const BETWEEN_MS = 2000;
/** Held for a moment before it is killed, so that messages are on their way to it, every time. */
const HELD_MS = 300;
/** It is stopped before. */
const ENDLESS = 1_000_000;
const FIRST_TS = 1_700_000_000_000;
const STANDSTILL_MS = 5000;

/**
 * Kills the platform, or what the plan says, with SIGKILL while a publisher in a process of its own goes on, and holds
 * the store, read over REST, against what the broker has acknowledged to the publisher.
 */
export async function killUnderLoad({ broker, kills, kill, control, print }: KillPlan): Promise<Verdict> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-mqtt-kill-"));
  const nodeOptions =
    control === undefined ? [] : [`--import=${new URL(`./controls/${control}.ts`, import.meta.url).href}`];
  const start = (env: Record<string, string> = {}) =>
    startPlatform({
      nodeOptions,
      dataDir: join(folder, "data"),
      env: { LOG_LEVEL: "error", ...broker.env, ...env },
    });
  let platform = await start();
  let publisher: ChildProcess | undefined;
  try {
    const plan = await planFor(platform, broker, folder);
    publisher = fork(publisherFile, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const ended = once(publisher, "exit") as Promise<[number | null]>;
    for (let count = 1; count <= kills; count++) {
      await sleep(BETWEEN_MS);
      if (kill) await kill();
      else {
        process.kill(platform.pid, "SIGSTOP");
        await sleep(HELD_MS);
        await platform.kill("SIGKILL");
        platform = await start(platform.addresses);
      }
      const { acknowledged, resent } = await ask(publisher);
      print(`kill ${count}: ${acknowledged} acknowledged by the broker, ${resent} sent to it again so far`);
    }
    await sleep(BETWEEN_MS);
    await ask(publisher, "stop");
    const [code] = await ended;
    assert.equal(code, 0, `the publisher ended with ${code}`);
    const verdict = await judgeAll(throughRest(restClient(platform.http)), plan, STANDSTILL_MS);
    print(JSON.stringify(verdict));
    return verdict;
  } finally {
    publisher?.kill("SIGKILL");
    await platform.kill("SIGKILL");
    rmSync(folder, { recursive: true, maxRetries: 3 });
  }
}

async function planFor(
  platform: Platform,
  { devices: mqtt, versions }: BrokerUnderTest,
  folder: string,
): Promise<Plan> {
  const rest = restClient(platform.http);
  const devices: Plan["devices"] = [];
  for (let index = 0; index < DEVICES; index++) {
    const id = `killed-${index + 1}`;
    await rest.register(id);
    devices.push({ id, secret: await rest.credential(id), version: versions[index % versions.length] as 4 | 5 });
  }
  return {
    ...{ mqtt, devices, topicPrefix: "default/", messagesPerDevice: ENDLESS, perSecond: PER_SECOND, firstTs: FIRST_TS },
    ...{ window: 100, logFile: join(folder, "acknowledged.log") },
  };
}
