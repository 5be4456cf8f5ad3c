import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { Reading } from "../../schemas/telemetry.ts";
import type { Platform } from "./platform.ts";
import { type RestClient, restClient } from "./rest.ts";

const path = (name: string) => fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A day of three real devices, as AWS IoT recorded their MQTT payloads: 50,270 messages, one of them redelivered. */
export const RECORDING = path("mqtt_env_3dev.jsonl.gz");

export interface RecordedMessage {
  device_id: string;
  /** Seconds since 1970, with fraction. */
  ts: number;
  data: Reading["values"];
}

interface Numbers {
  count: number;
  min: number;
  max: number;
  mean: number;
}

/** What the recording's own makers counted of it; the redelivered row counts twice. */
export interface Truth {
  rows: number;
  metrics: string[];
  per_device: Record<string, { rows: number; metrics: Record<string, Numbers> }>;
  windows: { device_id: string; start: string; width: string; rows: number; metrics: Record<string, Numbers> }[];
}

export const recordedMessages = (): RecordedMessage[] =>
  gunzipSync(readFileSync(RECORDING))
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as RecordedMessage);

export const recordedTruth = (): Truth => JSON.parse(readFileSync(path("mqtt_env_3dev.truth.json"), "utf8")) as Truth;

/** Replays the recording by the device simulator, as fast as acknowledged, and returns its report. */
export async function replayBySimulator(platform: Pick<Platform, "http" | "mqtt">, ...options: string[]) {
  const script = "clients/device-simulator/simulate.ts";
  const addresses = ["--url", platform.http, "--mqtt", platform.mqtt];
  const child = spawn(
    process.execPath,
    [script, ...addresses, "--replay", RECORDING, "--speed", "max", "--report", ...options],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, `the simulator ended with ${code}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as { sent: number; acknowledged: number };
}

/**
 * Holds what REST answers against the raw file, reading by reading, and against the counts, means and extremes that
 * came with it. A message that is there twice is one reading. Waits until the store has caught up.
 */
export async function checkRecording(platform: Pick<Platform, "http">): Promise<void> {
  const rest = restClient(platform.http);
  const messages = recordedMessages();
  const truth = recordedTruth();
  assert.equal(messages.length, truth.rows);
  const once = new Map(messages.map((message) => [JSON.stringify(message), message]));
  const disturbedDevices: string[] = [];
  let stored = 0;
  for (const [deviceId, recorded] of Map.groupBy(once.values(), (message) => message.device_id)) {
    const readings = await whenStored(rest, deviceId, recorded.length);
    stored += readings.length;
    // The recording is in the order of time.
    assert.deepEqual(
      readings.map(({ ts, values }) => [micros(ts), values]),
      recorded.map(({ ts, data }) => [Math.round(ts * 1e6), data]),
      deviceId,
    );
    const { rows = 0, metrics = {} } = truth.per_device[deviceId] ?? {};
    const disturbed = rows !== readings.length;
    if (disturbed) disturbedDevices.push(deviceId);
    await checkTruth(rest, deviceId, metrics, disturbed);
  }
  assert.deepEqual([stored, once.size], [50_269, 50_269]);
  assert.equal(disturbedDevices.length, 1, "the redelivered row is one device's");
  for (const { device_id: deviceId, start, width, metrics } of truth.windows) {
    const [from, ms] = [new Date(start), widthMs(width)];
    const [item, ...more] = await rest.aggregates(deviceId, {
      from: from.toISOString(),
      to: new Date(from.getTime() + ms).toISOString(),
      interval: `PT${ms / 1000}S`,
      aggregate: ["avg", "min", "max", "count"],
    });
    assert.deepEqual(more, []);
    for (const [name, { count, mean, min, max }] of Object.entries(metrics)) {
      const what = `${deviceId} ${start} ${name}`;
      const aggregated = item?.metrics[name] ?? {};
      assert.equal(aggregated.count, count, what);
      for (const [key, value] of Object.entries({ avg: mean, min, max }))
        near(Number(aggregated[key as "avg"]), value, `${what} ${key}`);
    }
  }
}

async function whenStored(rest: RestClient, deviceId: string, count: number): Promise<Reading[]> {
  for (const deadline = Date.now() + 30_000; ; await sleep(100)) {
    const readings = await rest.readings(deviceId);
    if (readings.length >= count || Date.now() > deadline) return readings;
  }
}

/** Of the device that the redelivered row concerns, truth tells extremes only: its counts and sums have the row twice. */
async function checkTruth(rest: RestClient, deviceId: string, metrics: Record<string, Numbers>, disturbed: boolean) {
  const [all, ...more] = await rest.aggregates(deviceId, {
    interval: "P36525D",
    aggregate: ["count", "avg", "sum", "min", "max"],
  });
  assert.deepEqual(more, []);
  assert.ok(Object.keys(metrics).length > 0);
  for (const [name, { count, min, max, mean }] of Object.entries(metrics)) {
    const what = `${deviceId} ${name}`;
    const found = all?.metrics[name] ?? {};
    near(Number(found.min), min, `${what} min`);
    near(Number(found.max), max, `${what} max`);
    if (disturbed) continue;
    assert.equal(found.count, count, `${what} count`);
    near(Number(found.avg), mean, `${what} mean`);
    near(Number(found.sum) / count, mean, `${what} sum`);
  }
}

function near(actual: number, expected: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= 1e-6, `${what}: ${actual} is not ${expected}`);
}

/** Microseconds since 1970 of an RFC 3339 instant in UTC. */
function micros(instant: string): number {
  const [, fraction = ""] = /\.(\d+)Z$/.exec(instant) ?? [];
  return Date.parse(`${instant.slice(0, 19)}Z`) * 1000 + Number(fraction.padEnd(6, "0"));
}

function widthMs(width: string): number {
  const [, count, unit] = /^(\d+)([mhd])$/.exec(width) ?? [];
  const ms = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ""];
  assert.ok(ms, width);
  return Number(count) * ms;
}
