import { randomUUID } from "node:crypto";
import type { IPublishPacket } from "mqtt-packet";
import type { EdgeCapabilities } from "../../../../schemas/edge-capabilities.ts";
import { type AcknowledgeOrder, commitThenAcknowledge } from "../acknowledge.ts";
import type { DeliverOptions } from "../delivery.ts";
import type { Edge } from "../edge.ts";
import type { DeviceKey, EdgePolicy } from "../edge-policy.ts";
import { SessionFile } from "../persistence/session-file.ts";
import { SessionMemory } from "../persistence/session-memory.ts";
import { Session } from "../session.ts";
import type { BrokerFiles } from "./broker-files.ts";
import type { Brought } from "./broker-message.ts";
import { clientIdOf, placeOf, shareOf } from "./broker-url.ts";
import { Intake } from "./intake.ts";
import { MqttLink } from "./mqtt-link.ts";
import { Retained } from "./retained.ts";
import { addressOf, outerTopic, UPLINKS } from "./topics.ts";

export interface MosquittoEdgeOptions {
  /** `mqtt://` or `mqtts://`, with user and password. */
  url: string;
  /** Name of this bridge among those of the platform: it finds its session again by it. */
  bridge: string;
  /** Of what names messages that bring neither time nor id; left out: a resend after a crash is another message. */
  arrivalsFile?: string | undefined;
  synchronous?: "FULL" | "NORMAL" | undefined;
  /** Messages that the broker sends before the first is acknowledged. @default 1000 */
  receiveMaximum?: number | undefined;
  /** How long the broker keeps messages for a bridge that is away. @default 604800 */
  sessionSeconds?: number | undefined;
  /** @default 262144 */
  maxPacketBytes?: number | undefined;
  /** @default 30000 */
  seenIntervalMs?: number | undefined;
  /** How old may be what is known of a device. @default 60000 */
  refreshMs?: number | undefined;
  /** Password and ACL file of the broker, where we write them. */
  files?: BrokerFiles | undefined;
  /** The broker asks us by HTTP. */
  httpAuthentication?: boolean;
  /** The broker is there, perhaps again. */
  up?: (() => void) | undefined;
  /** @default commitThenAcknowledge */
  acknowledgeOrder?: AcknowledgeOrder | undefined;
  log(message: string, fields: object): void;
}

const KEEP_ALIVE_SECONDS = 15;
const CONNECT_TIMEOUT_MS = 10_000;
const DRAIN_MS = 2000;

/**
 * Devices at a broker that speaks MQTT 5 with shared subscriptions, such as mosquitto. The broker acknowledges to the
 * device what it has; this edge acknowledges to the broker what the channel has.
 */
export class MosquittoEdge implements Edge {
  readonly capabilities: EdgeCapabilities;
  readonly listening: readonly string[];
  readonly connections = 0;
  readonly dropped = 0;
  readonly #intake: Intake;
  readonly #link: MqttLink;
  readonly #retained: Retained;
  readonly #files: BrokerFiles | undefined;
  readonly #file: SessionFile;
  readonly #session: Session;
  readonly #names = `broker/${randomUUID()}`;
  readonly #acknowledgeOrder: AcknowledgeOrder;
  #count = 0;

  /** @throws Error naming the file that cannot be used */
  static async start(policy: EdgePolicy, options: MosquittoEdgeOptions): Promise<MosquittoEdge> {
    const edge = new MosquittoEdge(policy, options);
    try {
      await edge.#files?.open();
      await edge.#link.open();
      return edge;
    } catch (error) {
      await edge.close();
      throw error;
    }
  }

  private constructor(policy: EdgePolicy, options: MosquittoEdgeOptions) {
    const { url, bridge, files, log, receiveMaximum = 1000, arrivalsFile: file, synchronous } = options;
    this.capabilities = {
      "mqtt-5": true,
      "shared-subscriptions": true,
      "http-authentication": options.httpAuthentication ?? false,
      kick: files?.reloads ?? false,
      presence: false,
      "durable-acknowledgement": false,
    };
    this.listening = [placeOf(url)];
    this.#acknowledgeOrder = options.acknowledgeOrder ?? commitThenAcknowledge;
    this.#files = files;
    this.#intake = new Intake(policy, {
      seenIntervalMs: options.seenIntervalMs ?? 30_000,
      refreshMs: options.refreshMs ?? 60_000,
      log,
    });
    const clientId = clientIdOf(url, bridge);
    this.#file = new SessionFile({ file, synchronous });
    this.#session = new Session(clientId, receiveMaximum * 2, new SessionMemory(this.#file));
    this.#link = new MqttLink(
      {
        ...{ url, clientId, receiveMaximum, keepAliveSeconds: KEEP_ALIVE_SECONDS },
        ...{ sessionSeconds: options.sessionSeconds ?? 604_800, maxPacketBytes: options.maxPacketBytes ?? 262_144 },
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        filters: UPLINKS.map((uplink) => `$share/${shareOf(url)}/+/devices/+/${uplink}`),
      },
      { message: (packet, stored) => this.#take(packet, stored), up: () => this.#up(options.up), log },
    );
    this.#retained = new Retained((publication) => this.#link.publish(publication));
  }

  get refused(): number {
    return this.#intake.refused;
  }

  get trouble(): string | undefined {
    const { trouble } = this.#link;
    return (
      (trouble === undefined ? undefined : `MQTT broker: ${trouble}`) ??
      this.#files?.trouble ??
      this.#file.trouble.reason
    );
  }

  deliver(device: DeviceKey, topic: string, payload: Buffer, options: DeliverOptions = {}): Promise<void> {
    const { retain = false, expirySeconds } = options;
    const outer = outerTopic(device, topic);
    if (retain) this.#retained.keep(outer);
    return this.#link.publish({ topic: outer, payload, retain, expirySeconds });
  }

  setCurrent(device: DeviceKey, topic: string, payload: Buffer): Promise<void> {
    return this.deliver(device, topic, payload, { retain: true });
  }

  disconnect(device: DeviceKey): void {
    const { devices } = this.#intake;
    devices.forget(device);
    this.#files?.changed();
    devices.isUnknown(device).then(
      (unknown) => {
        if (unknown) this.#retained.forget(device);
      },
      () => {},
    );
  }

  admit(device: DeviceKey): void {
    this.#intake.devices.forget(device);
    this.#files?.changed();
  }

  reloadCertificate(): void {}

  async close(): Promise<void> {
    this.#files?.close();
    // What is acknowledged from here on is heard by the broker.
    await this.#intake.close(DRAIN_MS);
    await this.#link.close();
    this.#file.close();
  }

  #up(told: (() => void) | undefined): void {
    this.#retained.up();
    told?.();
  }

  #take(packet: IPublishPacket, stored: () => void): void {
    const address = addressOf(packet.topic);
    // Our filters let nothing else through.
    if (!address) {
      stored();
      return;
    }
    const { properties } = packet;
    const receivedAt = Date.now() * 1000;
    const payload = packet.payload as Buffer;
    const brought: Brought = {
      ...address,
      ...{ payload, receivedAt },
      contentType: properties?.contentType,
      messageId: userProperty(packet, "message-id"),
      traceparent: userProperty(packet, "traceparent"),
      arrival: () => {
        const arrival = { receivedAt, packet: `${this.#names}/${++this.#count}` };
        const { messageId = 0, dup } = packet;
        return packet.qos === 0 ? arrival : this.#session.arrivalOf(messageId, dup, payload, arrival);
      },
      kept: () => (packet.qos === 0 ? undefined : this.#session.kept),
    };
    this.#acknowledgeOrder(
      () => this.#intake.take(brought),
      stored,
      () => {},
    );
  }
}

function userProperty({ properties }: IPublishPacket, name: string): string | undefined {
  const given = properties?.userProperties?.[name];
  return Array.isArray(given) ? given[0] : given;
}
