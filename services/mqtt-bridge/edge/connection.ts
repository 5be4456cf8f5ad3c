import type { Client, ConnectPacket, PublishPacket } from "aedes";
import { AckQueue } from "./ack-queue.ts";
import type { Arrival, DeviceKey, DisconnectReason, InboundMessage } from "./edge-policy.ts";
import type { DeviceRate } from "./message-rate.ts";
import type { Outbound } from "./outbound.ts";
import type { OwnFilter } from "./own-filters.ts";
import { Reason } from "./reason.ts";
import type { Session } from "./session.ts";

/** One network connection from its CONNECT on. */
export class Connection {
  readonly client: Client;
  readonly device: DeviceKey | undefined;
  readonly username: string | undefined;
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
  /** Messages to the client; set when it is authenticated. */
  outbound: Outbound | undefined;
  rate: DeviceRate | undefined;
  /** Of packets that are no accepted messages. */
  controlRate: DeviceRate | undefined;
  /** By the filter inside the broker. */
  readonly filters = new Map<string, OwnFilter>();
  /** Filters of a SUBSCRIBE that are to begin with their current value. */
  readonly due = new Set<string>();
  /** When the last packet came, microseconds since 1970. */
  seenAt = 0;
  /** It has been let in, and is in the books until `left`. */
  entered = false;
  left = false;
  /** The reason code of a DISCONNECT that waits for CONNACK. */
  dropped: number | undefined;
  /** Why it ends, where that is known before it has ended. */
  leaving: DisconnectReason | undefined;
  /** Resolves when broker and session are free of this connection. */
  readonly ended: Promise<void>;
  readonly end: () => void;
  /** Resolves when the connections with the same client id before this one have ended. */
  alone: Promise<void> = Promise.resolve();

  constructor(client: Client, packet: ConnectPacket, device: DeviceKey | undefined, clientId: string) {
    this.client = client;
    this.device = device;
    this.username = packet.username;
    this.version = packet.protocolVersion ?? 4;
    this.clientId = clientId;
    this.assignedClientId = !packet.clientId;
    this.keepAliveSeconds = packet.keepalive ?? 0;
    this.cleanStart = packet.clean !== false;
    // aedes hands over the very object of the CONNECT packet when it publishes the will.
    this.will = packet.will as PublishPacket | undefined;
    this.acks = new AckQueue(client);
    this.prefix = device ? prefixOf(device) : "";
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.end = resolve;
  }

  /** Counts a packet that is no accepted message; above the rate the connection ends. */
  takesControl(): boolean {
    // One that is being ended gets no more.
    if (this.acks.closed) return false;
    if (!this.controlRate || this.controlRate.take(this.seenAt / 1000)) return true;
    this.drop(Reason.messageRateTooHigh);
    return false;
  }

  /** Ends the connection; MQTT 5 clients are told why. What is settled is acknowledged before, nothing after. */
  drop(reasonCode: number, reason: DisconnectReason = "server"): void {
    this.leaving ??= reason;
    // Before CONNACK there is no DISCONNECT: it follows when the client is let in.
    if (this.client.connecting) {
      this.dropped ??= reasonCode;
      return;
    }
    // Several messages may fail at once; one DISCONNECT says it.
    if (this.acks.closed) return;
    this.acks.close();
    this.client.disconnect({ reasonCode });
  }
}

export const prefixOf = ({ tenantId, deviceId }: DeviceKey): string => `@${tenantId}/${deviceId}/`;

/** What a PUBLISH has from its connection. */
export type Origin = Pick<Connection, "session" | "sessionEpoch" | "resumable"> & { packets: number };

/** A PUBLISH as the policy sees it. */
export class InboundPublish implements InboundMessage {
  readonly receivedAt: number;
  headers?: Record<string, string>;
  readonly #packet: PublishPacket;
  readonly #origin: Origin;
  readonly #number: number;

  constructor(origin: Origin, packet: PublishPacket, receivedAt: number) {
    this.#origin = origin;
    this.#packet = packet;
    this.#number = ++origin.packets;
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

  get sessionEpoch(): number {
    return this.#origin.sessionEpoch;
  }

  get kept(): Promise<void> | undefined {
    return this.#origin.session?.kept;
  }

  arrival(): Arrival {
    const { session, sessionEpoch, resumable } = this.#origin;
    const { qos, messageId, dup } = this.#packet;
    const arrival = { receivedAt: this.receivedAt, packet: `${sessionEpoch}.${this.#number}` };
    if (qos === 0 || messageId === undefined || !resumable || !session) return arrival;
    return session.arrivalOf(messageId, dup, this.payload, arrival);
  }
}
