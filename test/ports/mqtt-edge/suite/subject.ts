import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { IConnectPacket, IPublishPacket, ISubscribePacket } from "mqtt-packet";
import type { DeliverOptions } from "../../../../services/mqtt-bridge/edge/delivery.ts";
import type { EdgeOptions } from "../../../../services/mqtt-bridge/edge/edge-options.ts";
import type { DeviceKey, EdgePolicy } from "../../../../services/mqtt-bridge/edge/edge-policy.ts";
import { Platform, SECRET } from "./platform.ts";
import { RawClient, type Received, type Version } from "./raw-client.ts";

/** What the suite asks of an edge. */
export interface Edge {
  /** URLs, `mqtt://…` and `ws://…`. */
  readonly listening: string[];
  readonly connections: number;
  readonly refused: number;
  /** Queued messages that made room for newer ones. */
  readonly dropped: number;
  deliver(device: DeviceKey, topic: string, payload: Buffer, options?: DeliverOptions): Promise<void>;
  setCurrent(device: DeviceKey, topic: string, payload: Buffer): Promise<void>;
  disconnect(device: DeviceKey): void;
  reloadCertificate(): void;
  close(): Promise<void>;
}

export type StartEdge = (policy: EdgePolicy, options: EdgeOptions) => Promise<Edge>;

export const VERSIONS: readonly Version[] = [4, 5];
export const nameOf = (version: Version): string => (version === 5 ? "MQTT 5" : "MQTT 3.1.1");

export const DEVICE: DeviceKey = { tenantId: "default", deviceId: "boiler-7" };
export const TELEMETRY = "devices/boiler-7/telemetry";
export const WAIT = { timeout: 10_000 };

/** A CONNECT of `boiler-7`; each field may be another. */
export const connectPacket = (version: Version, fields: Partial<IConnectPacket> = {}): IConnectPacket => ({
  cmd: "connect",
  protocolId: "MQTT",
  protocolVersion: version,
  clientId: "c-1",
  clean: true,
  keepalive: 60,
  username: DEVICE.deviceId,
  password: Buffer.from(SECRET),
  ...fields,
});

export const publishPacket = (messageId: number, payload: string, fields: Partial<IPublishPacket> = {}) => ({
  cmd: "publish" as const,
  topic: TELEMETRY,
  payload,
  qos: 1 as const,
  dup: false,
  retain: false,
  messageId,
  ...fields,
});

export const subscribePacket = (messageId: number, ...filters: string[]): ISubscribePacket => ({
  cmd: "subscribe",
  messageId,
  subscriptions: filters.map((topic) => ({ topic, qos: 1 })),
});

/** CONNECT fields that resume a session, or begin one that outlives its connection. */
export const kept = (version: Version): Partial<IConnectPacket> =>
  version === 5 ? { clean: false, properties: { sessionExpiryInterval: 60 } } : { clean: false };

/** CONNECT fields that end the session before; in MQTT 5 the new one is to be kept, which 3.1.1 can't say. */
export const fresh = (version: Version): Partial<IConnectPacket> => ({ ...kept(version), clean: true });

export type Scheme = "mqtt" | "ws" | "mqtts" | "wss";

/** An edge of its own for a test, the platform behind it, and clients; all of it ends with the test. */
export class Rig {
  readonly platform = new Platform();
  readonly #raw: RawClient[] = [];
  readonly #comfortable: MqttClient[] = [];
  #edge: Edge | undefined;
  #start: (() => Promise<Edge>) | undefined;

  static async start(t: TestContext, start: StartEdge, options: EdgeOptions = {}): Promise<Rig> {
    const rig = new Rig();
    rig.#start = () => start(rig.platform, { port: 0, wsPort: 0, tlsPort: 0, wssPort: 0, ...options });
    rig.#edge = await rig.#start();
    t.after(async () => {
      for (const commit of rig.platform.held) commit.fail(new Error("the test is over"));
      for (const client of rig.#raw) client.cut();
      for (const client of rig.#comfortable) client.end(true);
      await rig.edge.close();
    });
    return rig;
  }

  get edge(): Edge {
    return this.#edge as Edge;
  }

  /** Stops the edge and starts another in its place, with the same options and so the same files. */
  async restart(): Promise<void> {
    await this.edge.close();
    this.#edge = await this.#start?.();
  }

  url(scheme: Scheme = "mqtt"): string {
    const url = this.edge.listening.find((listening) => listening.startsWith(`${scheme}://`));
    assert.ok(url, `the edge listens on ${scheme}`);
    return url;
  }

  /** A connection without a CONNECT. */
  open(version: Version, scheme?: Scheme): RawClient {
    const client = new RawClient(this.url(scheme), version);
    this.#raw.push(client);
    return client;
  }

  /** A client whose CONNECT was answered, with the answer. */
  async ask(version: Version, fields?: Partial<IConnectPacket>, scheme?: Scheme): Promise<[RawClient, Received]> {
    const client = this.open(version, scheme);
    client.send(connectPacket(version, fields));
    const answer = await client.next();
    assert.ok(answer !== "closed", "CONNECT is answered");
    assert.equal(answer.cmd, "connack");
    return [client, answer];
  }

  /** A client that is connected. */
  async connect(version: Version, fields?: Partial<IConnectPacket>, scheme?: Scheme): Promise<RawClient> {
    const [client, answer] = await this.ask(version, fields, scheme);
    assert.equal(codeOf(answer), 0);
    return client;
  }

  /** A client of mqtt.js that is connected. */
  async mqttJs(version: Version, options: IClientOptions = {}, scheme?: Scheme): Promise<MqttClient> {
    const client = await mqtt.connectAsync(this.url(scheme), {
      protocolVersion: version,
      reconnectPeriod: 0,
      username: DEVICE.deviceId,
      password: SECRET,
      ...options,
    });
    client.on("error", () => {}); // a close that a test provokes
    this.#comfortable.push(client);
    return client;
  }
}

/** The code of a CONNACK, in either version. */
export const codeOf = ({ reasonCode, returnCode }: Received): number | undefined => reasonCode ?? returnCode;

/** A file for sessions in a folder that goes with the test. */
export function sessionsFile(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-edge-"));
  t.after(() => rmSync(folder, { recursive: true, maxRetries: 3 }));
  return join(folder, "sessions.db");
}
