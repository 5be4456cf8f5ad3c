import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startPlatform } from "../test/support/platform.ts";
import { restClient } from "../test/support/rest.ts";
import { median, rounded } from "./median.ts";
import { withMosquitto } from "./mosquitto.ts";
import { cpuMicros, rssMb } from "./process-figures.ts";
import type { Bench } from "./run.ts";

const DEVICES = 50;
const IDLE_MS = 10_000;
/** Files that a server needs beside its connections. */
const FILES_EXTRA = 500;
const script = fileURLToPath(new URL("./idle-clients.ts", import.meta.url));

interface Run {
  /** Resident memory of the server with all connections. */
  rssMb: number;
  rssBeforeMb: number;
  connectsPerSecond: number;
  cpuMicrosPerConnect: number;
  /** CPU of the server while nobody says anything, part of one core. */
  idleCpu: number;
}

/**
 * Connections that say nothing after their CONNECT. The platform checks a credential for each and writes the session's
 * epoch to the disk before CONNACK; mosquitto lets everybody in and writes nothing.
 */
const connections: Bench = async ({ short }) => {
  const count = short ? 500 : 10_000;
  const rounds = short ? 1 : 5;
  checkOpenFiles(count + FILES_EXTRA);
  const runs = { mosquitto: [] as Run[], platform: [] as Run[] };
  for (let round = 1; round <= rounds; round++) {
    runs.mosquitto.push(await withMosquitto((mqtt, pid) => measure(mqtt, pid, [{}], count, short)));
    runs.platform.push(await againstPlatform(count, short));
    for (const [name, all] of Object.entries(runs)) console.log(`run ${round} ${name}: ${JSON.stringify(all.at(-1))}`);
  }
  const figures = (all: Run[]) => {
    const middle = (key: keyof Run, digits = 0) => rounded(median(all.map((run) => run[key])), digits);
    return {
      rssMb: middle("rssMb", 1),
      rssKbPerConnection: rounded(median(all.map((run) => ((run.rssMb - run.rssBeforeMb) * 1024) / count)), 1),
      connectsPerSecond: middle("connectsPerSecond"),
      cpuMicrosPerConnect: middle("cpuMicrosPerConnect"),
      idleCpu: middle("idleCpu", 3),
    };
  };
  return { ...figures(runs.platform), mosquitto: figures(runs.mosquitto), connections: count, runs: rounds };
};
export default connections;

async function againstPlatform(count: number, short: boolean): Promise<Run> {
  const platform = await startPlatform({
    env: {
      LOG_LEVEL: "warn",
      MQTT_CONNECTIONS_MAX: String(count + FILES_EXTRA),
      MQTT_CONNECTIONS_PER_DEVICE_MAX: String(Math.ceil(count / DEVICES)),
      // The bench connects faster than a few devices may.
      MQTT_CONTROL_PACKETS_PER_SECOND_MAX: "0",
    },
  });
  try {
    const rest = restClient(platform.http);
    const clients = [];
    for (let index = 0; index < DEVICES; index++) {
      const id = `idle-${index}`;
      await rest.register(id);
      clients.push({ username: id, password: await rest.credential(id) });
    }
    return await measure(platform.mqtt, platform.pid, clients, count, short);
  } finally {
    await platform.stop();
  }
}

async function measure(mqtt: string, pid: number, clients: object[], count: number, short: boolean): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-idle-"));
  const file = join(folder, "clients.json");
  writeFileSync(file, JSON.stringify(clients));
  const [rssBeforeMb, cpuBefore] = [rssMb(pid), cpuMicros(pid)];
  const child = spawn(process.execPath, [script, mqtt, file, "--connections", String(count)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  try {
    const { connectsPerSecond } = await firstLine(child.stdout);
    const cpuConnected = cpuMicros(pid);
    const idleMs = short ? 1000 : IDLE_MS;
    await sleep(idleMs);
    if (child.exitCode !== null) throw new Error("a connection was lost");
    return {
      rssMb: rounded(rssMb(pid)),
      rssBeforeMb: rounded(rssBeforeMb),
      connectsPerSecond,
      cpuMicrosPerConnect: rounded((cpuConnected - cpuBefore) / count, 0),
      idleCpu: rounded((cpuMicros(pid) - cpuConnected) / 1000 / idleMs, 3),
    };
  } finally {
    child.stdin.end();
    await ended;
    rmSync(folder, { recursive: true });
  }
}

async function firstLine(input: NodeJS.ReadableStream): Promise<{ connectsPerSecond: number }> {
  for await (const line of createInterface({ input })) return JSON.parse(line) as { connectsPerSecond: number };
  throw new Error("not all connections came about");
}

/** Node raises its own limit of open files, and so its children's, to the hard one. */
function checkOpenFiles(needed: number): void {
  const hard = /Max open files\s+\S+\s+(\S+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  if (hard !== "unlimited" && Number(hard) < needed) throw new Error(`ulimit -Hn is ${hard}; ${needed} are needed`);
}
