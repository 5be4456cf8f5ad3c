import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Platform, startPlatform } from "../test/support/platform.ts";
import { ingestOnEngines } from "./ingest-engines.ts";
import { CONNECTIONS, DEVICES, generate, measure, type Run, registered } from "./ingest-load.ts";
import { median, rounded } from "./median.ts";
import { withMosquitto } from "./mosquitto.ts";
import type { Bench } from "./run.ts";
import { stageShares } from "./stage-shares.ts";
import { fillStore } from "./stored-rows.ts";

/** Devices that have the stored rows, those that send among them. */
const STORED_DEVICES = 1000;

/**
 * QoS 1 messages of three values at full window, by a generator that is its own process. Server CPU is user + system of
 * the server's process, from before the first message until the last row is readable by REST; mosquitto, without a
 * subscriber and storing nothing, takes the same generator in turn. With `stored`, a platform that has so many rows
 * already takes its turn, too.
 * With `engines` it is the platform on Kafka, RabbitMQ and a server of MongoDB's protocol instead, next to the embedded one.
 */
const ingest: Bench = async ({ short, stored, engines }) => {
  if (engines) return ingestOnEngines({ short });
  const rounds = short ? 1 : 5;
  const messages = short ? 20_000 : 100_000;
  const runs = { mosquitto: [] as Run[], NORMAL: [] as Run[], FULL: [] as Run[], stored: [] as Run[] };
  const store = stored > 0 ? await storedRows(stored) : undefined;
  for (let round = 1; round <= rounds; round++) {
    runs.mosquitto.push(await againstMosquitto(messages));
    // In turn: a machine that slows down or speeds up favours neither.
    if (store && round % 2 === 0) runs.stored.push(await againstPlatform(messages, "NORMAL", store));
    runs.NORMAL.push(await againstPlatform(messages, "NORMAL"));
    if (store && round % 2 === 1) runs.stored.push(await againstPlatform(messages, "NORMAL", store));
    runs.FULL.push(await againstPlatform(messages, "FULL"));
    for (const [name, all] of Object.entries(runs)) {
      const last = all.at(-1);
      if (!last) continue;
      const { messagesPerSecond, cpuMicrosPerMessage } = last;
      console.log(`run ${round} ${name}: ${messagesPerSecond} messages/s, ${cpuMicrosPerMessage} us CPU per message`);
    }
  }
  const stages = await profile(messages);
  if (store) rmSync(store, { recursive: true });
  const cpu = (all: Run[]) => rounded(median(all.map((run) => run.cpuMicrosPerMessage)));
  const rate = (all: Run[]) => rounded(median(all.map((run) => run.messagesPerSecond)), 0);
  return {
    messagesPerSecond: rate(runs.NORMAL),
    serverCpuMicrosPerMessage: cpu(runs.NORMAL),
    serverCpuVsMosquitto: rounded(cpu(runs.NORMAL) / cpu(runs.mosquitto), 2),
    full: {
      messagesPerSecond: rate(runs.FULL),
      serverCpuMicrosPerMessage: cpu(runs.FULL),
      serverCpuVsMosquitto: rounded(cpu(runs.FULL) / cpu(runs.mosquitto), 2),
    },
    mosquitto: { messagesPerSecond: rate(runs.mosquitto), serverCpuMicrosPerMessage: cpu(runs.mosquitto) },
    ...(store
      ? {
          storedVsEmpty: rounded(
            median(runs.stored.map((run, n) => run.cpuMicrosPerMessage / (runs.NORMAL[n] as Run).cpuMicrosPerMessage)),
            2,
          ),
          stored: {
            rows: stored,
            messagesPerSecond: rate(runs.stored),
            serverCpuMicrosPerMessage: cpu(runs.stored),
          },
        }
      : {}),
    stages,
    messages,
    runs: rounds,
  };
};
export default ingest;

/** @param store - folder whose files the platform begins with */
async function againstPlatform(messages: number, synchronous: string, store?: string): Promise<Run> {
  const dataDir = mkdtempSync(join(tmpdir(), "ganglion-bench-"));
  if (store) cpSync(store, dataDir, { recursive: true });
  const platform = await startPlatform({ dataDir, env: { SQLITE_SYNCHRONOUS: synchronous, LOG_LEVEL: "warn" } });
  try {
    return await measure(platform.pid, messages, () => drive(platform, messages));
  } finally {
    await platform.stop();
    rmSync(dataDir, { recursive: true, maxRetries: 3 });
  }
}

/** A folder with a store of about so many rows. */
async function storedRows(rows: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-stored-"));
  const others = Array.from({ length: STORED_DEVICES - CONNECTIONS }, (_, index) => `other-${index}`);
  const devices = [...others.slice(0, others.length >> 1), ...DEVICES, ...others.slice(others.length >> 1)];
  const begun = performance.now();
  const rowsPerDevice = Math.ceil(rows / devices.length);
  await fillStore({ file: join(folder, "readings.db"), devices, rowsPerDevice });
  console.log(
    `${rowsPerDevice * devices.length} rows of ${devices.length} devices stored in ${rounded((performance.now() - begun) / 1000)} s`,
  );
  return folder;
}

/** One more run with V8's profiler on; its figures are not used, only where the time went. */
async function profile(messages: number): Promise<Record<string, number>> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-profile-"));
  try {
    const platform = await startPlatform({
      env: { SQLITE_SYNCHRONOUS: "NORMAL", LOG_LEVEL: "warn" },
      nodeOptions: ["--cpu-prof", `--cpu-prof-dir=${folder}`],
    });
    await drive(platform, messages);
    await platform.stop();
    const [file] = readdirSync(folder);
    if (!file) throw new Error("the platform wrote no profile");
    const stages = stageShares(join(folder, file));
    for (const [stage, share] of Object.entries(stages))
      console.log(`${(share * 100).toFixed(1).padStart(5)} %  ${stage}`);
    return stages;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs the generator against the platform and waits until the last row of every device is readable. */
async function drive(platform: Platform, messages: number): Promise<void> {
  await generate(platform.mqtt, await registered(platform), messages);
  for (const id of DEVICES) {
    const stored = async () => {
      const last = await fetch(`${platform.http}/v1/devices/${id}/readings?order=desc&limit=1`);
      const { items } = (await last.json()) as { items: { values: { n: number } }[] };
      return items[0]?.values.n === messages / CONNECTIONS;
    };
    while (!(await stored())) await sleep(10);
  }
}

const againstMosquitto = (messages: number): Promise<Run> =>
  withMosquitto((mqtt, pid) => {
    const clients = DEVICES.map((id) => ({ clientId: id, topic: `devices/${id}/telemetry` }));
    return measure(pid, messages, () => generate(mqtt, clients, messages));
  });
