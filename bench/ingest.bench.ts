import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Platform, startPlatform } from "../test/support/platform.ts";
import { median, rounded } from "./median.ts";
import { cpuMicros } from "./process-figures.ts";
import type { Bench } from "./run.ts";
import { stageShares } from "./stage-shares.ts";

const CONNECTIONS = 4;
const generator = fileURLToPath(new URL("./generator.ts", import.meta.url));

/** One run of one server: what it cost and how long it took. */
interface Run {
  messagesPerSecond: number;
  cpuMicrosPerMessage: number;
}

/**
 * QoS 1 messages of three values at full window, by a generator that is its own process. Server CPU is user + system of
 * the server's process, from before the first message until the last row is readable by REST; mosquitto, without a
 * subscriber and storing nothing, takes the same generator in turn.
 */
const ingest: Bench = async ({ short }) => {
  const rounds = short ? 1 : 5;
  const messages = short ? 20_000 : 100_000;
  const runs = { mosquitto: [] as Run[], NORMAL: [] as Run[], FULL: [] as Run[] };
  for (let round = 1; round <= rounds; round++) {
    runs.mosquitto.push(await againstMosquitto(messages));
    runs.NORMAL.push(await againstPlatform(messages, "NORMAL"));
    runs.FULL.push(await againstPlatform(messages, "FULL"));
    for (const [name, all] of Object.entries(runs)) {
      const { messagesPerSecond, cpuMicrosPerMessage } = all.at(-1) as Run;
      console.log(`run ${round} ${name}: ${messagesPerSecond} messages/s, ${cpuMicrosPerMessage} us CPU per message`);
    }
  }
  const stages = await profile(messages);
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
    stages,
    messages,
    runs: rounds,
  };
};
export default ingest;

async function againstPlatform(messages: number, synchronous: string): Promise<Run> {
  const platform = await startPlatform({ env: { SQLITE_SYNCHRONOUS: synchronous, LOG_LEVEL: "warn" } });
  try {
    return await measure(platform.pid, messages, () => drive(platform, messages));
  } finally {
    await platform.stop();
  }
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

async function measure(pid: number, messages: number, work: () => Promise<void>): Promise<Run> {
  const [cpu, begun] = [cpuMicros(pid), performance.now()];
  await work();
  return {
    messagesPerSecond: rounded((messages / (performance.now() - begun)) * 1000, 0),
    cpuMicrosPerMessage: rounded((cpuMicros(pid) - cpu) / messages, 2),
  };
}

/** Runs the generator against the platform and waits until the last row of every device is readable. */
async function drive(platform: Platform, messages: number): Promise<void> {
  const devices = Array.from({ length: CONNECTIONS }, (_, index) => `bench-${index}`);
  const credentials = [];
  for (const id of devices) {
    await post(`${platform.http}/v1/devices`, { id });
    const { secret } = (await post(`${platform.http}/v1/devices/${id}/credentials`)) as { secret: string };
    credentials.push({ clientId: id, username: id, password: secret, topic: "devices/me/telemetry" });
  }
  await generate(platform.mqtt, credentials, messages);
  for (const id of devices) {
    const stored = async () => {
      const last = await fetch(`${platform.http}/v1/devices/${id}/readings?order=desc&limit=1`);
      const { items } = (await last.json()) as { items: { values: { n: number } }[] };
      return items[0]?.values.n === messages / CONNECTIONS;
    };
    while (!(await stored())) await sleep(10);
  }
}

async function againstMosquitto(messages: number): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-mosquitto-"));
  const port = await freePort();
  const file = join(folder, "mosquitto.conf");
  writeFileSync(file, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n`);
  const mosquitto = spawn("mosquitto", ["-c", file], { stdio: "ignore" });
  try {
    await new Promise((resolve, reject) => mosquitto.once("spawn", resolve).once("error", reject));
    await sleep(300);
    const clients = Array.from({ length: CONNECTIONS }, (_, index) => ({
      clientId: `bench-${index}`,
      topic: `devices/bench-${index}/telemetry`,
    }));
    return await measure(mosquitto.pid as number, messages, () =>
      generate(`mqtt://127.0.0.1:${port}`, clients, messages),
    );
  } finally {
    await ended(mosquitto);
    rmSync(folder, { recursive: true });
  }
}

/** Each client sends its share; the n-th message's value `n` counts from 1. */
async function generate(mqtt: string, clients: object[], messages: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-generator-"));
  const file = join(folder, "clients.json");
  writeFileSync(file, JSON.stringify(clients));
  const child = spawn(process.execPath, [generator, mqtt, file, "--messages", String(messages)], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  rmSync(folder, { recursive: true });
  if (code !== 0) throw new Error(`the generator ended with ${code}`);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGTERM");
  await closed;
}

async function post(url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
