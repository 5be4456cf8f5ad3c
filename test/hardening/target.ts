import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mqttPacket, { type IConnectPacket, type Packet } from "mqtt-packet";
import { rssMb } from "../../bench/process-figures.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";
import { percentile, Witness } from "./witness-process.ts";

export interface Credential {
  id: string;
  secret: string;
}

const WITNESS_EVERY_MS = 10;
const CALM_MS = 3000;
/** Far above any delay but a standstill: two cores do the platform's, the attacker's and the witness's work. */
const P99_MS_MAX = 1000;
const SETTLE_MS = 20_000;
const collector = new URL("./collect-garbage.ts", import.meta.url).href;

/** The platform under attack, and a witness whose acknowledgements tell whether others notice. */
export class Target {
  readonly platform: Platform;
  readonly devices: Credential[];
  readonly #t: TestContext;
  readonly #witness: Witness;
  #rssMb = 0;

  static async start(
    t: TestContext,
    deviceCount: number,
    { nodeOptions = [], env = {} }: { nodeOptions?: string[]; env?: Record<string, string> } = {},
  ): Promise<Target> {
    const platform = await startPlatform({
      nodeOptions: ["--expose-gc", `--import=${collector}`, ...nodeOptions],
      env: { LOG_LEVEL: "warn", ...env },
    });
    let witness: Witness | undefined;
    t.after(async () => {
      // First, or it would tell that the platform is gone.
      witness?.kill();
      await platform.kill();
      const said = platform.output().replace(/^ready .*\n/, "");
      if (said) t.diagnostic(`the platform said: ${said}`);
    });
    const rest = restClient(platform.http);
    const credential = async (id: string): Promise<Credential> => {
      await rest.register(id);
      return { id, secret: await rest.credential(id) };
    };
    const devices = [];
    for (let index = 0; index < deviceCount; index++) devices.push(await credential(`device-${index}`));
    witness = new Witness({ mqtt: platform.mqtt, ...(await credential("witness")), everyMs: WITNESS_EVERY_MS });
    return new Target(t, platform, devices, witness);
  }

  private constructor(t: TestContext, platform: Platform, devices: Credential[], witness: Witness) {
    this.#t = t;
    this.platform = platform;
    this.devices = devices;
    this.#witness = witness;
  }

  device(index: number): Credential {
    return this.devices[index % this.devices.length] as Credential;
  }

  /** A new connection; errors of the socket are closes, too. */
  socket(): Socket {
    const { hostname, port } = new URL(this.platform.mqtt);
    return connect(Number(port), hostname)
      .setNoDelay(true)
      .on("error", () => {});
  }

  get rssMb(): number {
    return rssMb(this.platform.pid);
  }

  /** Peak of resident memory since `attack` began, MB. */
  get peakRssMb(): number {
    const kb = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.platform.pid}/status`, "utf8"))?.[1];
    return Number(kb) / 1024;
  }

  /**
   * Runs an attack and holds the platform against the promise: it lives, says nothing unusual, its resident memory,
   * without garbage, grows by so many MB at most, and the witness is served.
   */
  async withstands(what: string, attack: () => Promise<void>, limits: { growthMbMax: number }): Promise<void> {
    await sleep(1000);
    await this.#witness.report();
    await sleep(CALM_MS);
    const calm = await this.#witness.report();
    this.#rssMb = await this.#rssWithoutGarbageMb();
    const begun = performance.now();
    await attack();
    const seconds = (performance.now() - begun) / 1000;
    const stormy = await this.#witness.report();
    const growthMb = await this.#settledGrowthMb(limits.growthMbMax);
    const p99 = { before: percentile(calm.latencies, 0.99), during: percentile(stormy.latencies, 0.99) };
    this.#t.diagnostic(
      `${what}: ${seconds.toFixed(1)} s; p99 of a witness's PUBACK ${p99.before} ms before, ${p99.during} ms during ` +
        `(${stormy.latencies.length} messages); resident without garbage ${this.#rssMb.toFixed(0)} MB before, ` +
        `${growthMb >= 0 ? "+" : ""}${growthMb.toFixed(0)} MB after; peak with garbage ${this.peakRssMb.toFixed(0)} MB`,
    );
    assert.ok(growthMb <= limits.growthMbMax, `resident memory grew by ${growthMb.toFixed(0)} MB`);
    assert.ok(stormy.latencies.length > 0, "the witness was not served");
    assert.ok(p99.during <= P99_MS_MAX, `p99 ${p99.during} ms`);
    await this.#witnessIsStored();
    const ready = await fetch(`${this.platform.http}/health/ready`);
    assert.equal(ready.status, 200);
    assert.doesNotMatch(this.platform.output(), /uncaught|unhandled|\bERROR\b|\bFATAL\b|Warning:/i);
  }

  async #rssWithoutGarbageMb(): Promise<number> {
    process.kill(this.platform.pid, "SIGUSR2");
    await sleep(1000);
    return this.rssMb;
  }

  /** What was cut off takes a while to end: the least growth within the time to settle. */
  async #settledGrowthMb(enough: number): Promise<number> {
    const growth = async () => (await this.#rssWithoutGarbageMb()) - this.#rssMb;
    let least = await growth();
    for (const until = Date.now() + SETTLE_MS; least > enough && Date.now() < until; )
      least = Math.min(least, await growth());
    return least;
  }

  /** Each message of the witness is stored once. */
  async #witnessIsStored(): Promise<void> {
    const { acknowledged } = await this.#witness.report("stop");
    const rest = restClient(this.platform.http);
    const numbers = async () => (await rest.readings("witness")).map(({ values }) => Number(values["n"]));
    let stored = await numbers();
    for (const until = Date.now() + 20_000; stored.length < acknowledged && Date.now() < until; await sleep(100))
      stored = await numbers();
    // The message under way at the stop may be there, too.
    assert.deepEqual(
      stored.slice(0, acknowledged),
      Array.from({ length: acknowledged }, (_, index) => index + 1),
    );
    assert.ok(stored.length <= acknowledged + 1);
  }
}

/** Resolves when the socket is closed, by whom and why ever. */
export const closedOf = (socket: Socket): Promise<true> =>
  new Promise((resolve) => socket.once("close", () => resolve(true)));

/** Resolves when the socket takes data again, or is closed. */
export async function drainOf(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  socket.once("drain", done).once("close", done);
  await promise;
  socket.off("drain", done).off("close", done);
}

/** A CONNECT of the device. */
export const connectPacket = (
  { id, secret }: Credential,
  version: 4 | 5,
  more: Partial<IConnectPacket> = {},
): Packet => ({
  ...{ cmd: "connect", protocolId: "MQTT", protocolVersion: version, clean: true, keepalive: 0, clientId: id },
  ...{ username: id, password: Buffer.from(secret) },
  ...more,
});

export const bytesOf = (version: 4 | 5, ...packets: Packet[]): Buffer =>
  Buffer.concat(packets.map((packet) => mqttPacket.generate(packet, { protocolVersion: version })));
