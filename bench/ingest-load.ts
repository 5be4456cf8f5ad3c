import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Platform } from "../test/support/platform.ts";
import { rounded } from "./median.ts";
import { cpuMicros } from "./process-figures.ts";

export const CONNECTIONS = 4;
export const DEVICES = Array.from({ length: CONNECTIONS }, (_, index) => `bench-${index}`);
const generator = fileURLToPath(new URL("./generator.ts", import.meta.url));

/** One run of one server: what it cost and how long it took. */
export interface Run {
  messagesPerSecond: number;
  cpuMicrosPerMessage: number;
}

export async function measure(pid: number, messages: number, work: () => Promise<void>): Promise<Run> {
  const [cpu, begun] = [cpuMicros(pid), performance.now()];
  await work();
  return {
    messagesPerSecond: rounded((messages / (performance.now() - begun)) * 1000, 0),
    cpuMicrosPerMessage: rounded((cpuMicros(pid) - cpu) / messages, 2),
  };
}

/** Registers the devices; what the generator has to know of each. */
export async function registered({ http }: Pick<Platform, "http">): Promise<object[]> {
  const clients = [];
  for (const id of DEVICES) {
    await post(`${http}/v1/devices`, { id });
    const { secret } = (await post(`${http}/v1/devices/${id}/credentials`)) as { secret: string };
    clients.push({ clientId: id, username: id, password: secret, topic: "devices/me/telemetry" });
  }
  return clients;
}

/** Each client sends its share; the n-th message's value `n` counts from 1. */
export async function generate(mqtt: string, clients: object[], messages: number): Promise<void> {
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

async function post(url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    ...(body ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) } : {}),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.json();
}
