import type { Client, ConnectPacket, PublishPacket } from "aedes";
import { AckQueue } from "./ack-queue.ts";
import type { Arrival, DeviceKey, InboundMessage } from "./edge-policy.ts";
import type { Session } from "./session.ts";

/** One network connection from its CONNECT on. */
export class Connection {
  readonly client: Client;
  readonly device: DeviceKey | undefined;
  readonly version: number;
  /** The client id as the client knows it. */
  readonly clientId: string;
  readonly assignedClientId: boolean;
  readonly keepAliveSeconds: number;
  readonly cleanStart: boolean;
  readonly will: PublishPacket | undefined;
  readonly acks: AckQueue;
  /** What every topic of the device begins with inside the broker: no subscription reaches another's. */
  readonly prefix: string;
  /** Of the device, from the registry; set when it is authenticated. */
  sessionEpoch = 0;
  /** PUBLISH packets so far. */
  packets = 0;
  session: Session | undefined;
  /** Packet ids of QoS 2 messages between PUBLISH and PUBREL. */
  receiving: Set<number> = new Set();
  /** Whether the session outlives the connection. */
  resumable = false;
  /** Called when the client has acknowledged a message sent to it. */
  released: (() => void) | undefined;
  /** Resolves when broker and session are free of this connection. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** Resolves when the connections with the same client id before this one have ended. */
  alone: Promise<void> = Promise.resolve();

  constructor(client: Client, packet: ConnectPacket, device: DeviceKey | undefined, clientId: string) {
    this.client = client;
    this.device = device;
    this.version = packet.protocolVersion ?? 4;
    this.clientId = clientId;
    this.assignedClientId = !packet.clientId;
    this.keepAliveSeconds = packet.keepalive ?? 0;
    this.cleanStart = packet.clean !== false;
    // aedes hands over the very object of the CONNECT packet when it publishes the will.
    this.will = packet.will as PublishPacket | undefined;
    this.acks = new AckQueue(client);
    this.prefix = device ? `@${device.tenantId}/${device.deviceId}/` : "";
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.end = resolve;
  }
}

/** A PUBLISH as the policy sees it. */
export class InboundPublish implements InboundMessage {
  readonly receivedAt: number;
  headers?: Record<string, string>;
  readonly #packet: PublishPacket;
  readonly #connection: Connection;
  readonly #number: number;

  constructor(connection: Connection, packet: PublishPacket, receivedAt: number) {
    this.#connection = connection;
    this.#packet = packet;
    this.#number = ++connection.packets;
    this.receivedAt = receivedAt;
  }

  get topic(): string {
    return this.#packet.topic;
  }

  get payload(): Buffer {
    // A Buffer always: only packets made in this process could carry text.
    return this.#packet.payload as Buffer;
  }

  get contentType(): string | undefined {
    return this.#packet.properties?.contentType;
  }

  get messageId(): string | undefined {
    return this.#userProperty("message-id");
  }

  get traceparent(): string | undefined {
    return this.#userProperty("traceparent");
  }

  #userProperty(name: string): string | undefined {
    const given = this.#packet.properties?.userProperties?.[name];
    return Array.isArray(given) ? given[0] : given;
  }

  arrival(): Arrival {
    const { session, sessionEpoch, resumable } = this.#connection;
    const { qos, messageId, dup } = this.#packet;
    const arrival = { receivedAt: this.receivedAt, packet: `${sessionEpoch}.${this.#number}` };
    if (qos === 0 || messageId === undefined || !resumable || !session) return arrival;
    return session.arrivalOf(messageId, dup, this.payload, arrival);
  }
}
