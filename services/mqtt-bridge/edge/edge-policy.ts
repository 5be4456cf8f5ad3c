import type { Outcome } from "./acknowledge.ts";

/** A device as its credential names it. */
export interface DeviceKey {
  readonly tenantId: string;
  readonly deviceId: string;
}

/** What a CONNECT says of its sender, before it is believed. */
export interface ConnectRequest {
  username: string | undefined;
  clientId: string;
}

/** When and as which packet a message came. A resend in the same session has the arrival of the first. */
export interface Arrival {
  /** Microseconds since 1970. */
  readonly receivedAt: number;
  /** Session epoch of the device and number of the packet in it: names the packet for all time. */
  readonly packet: string;
}

/** A PUBLISH that the policy let pass. */
export interface InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** MQTT 5 Content Type. */
  readonly contentType: string | undefined;
  /** MQTT 5 user property `message-id`: the device's own name of the message. */
  readonly messageId: string | undefined;
  /** MQTT 5 user property `traceparent`: the span that the message belongs to (W3C Trace Context), unchecked. */
  readonly traceparent?: string | undefined;
  /** What the channel keeps beside the message; set by whoever traces it. */
  headers?: Record<string, string>;
  /** Microseconds since 1970, of this very packet. */
  readonly receivedAt: number;
  /** Of the connection it came on. */
  readonly sessionEpoch: number;
  /** Where the edge is told of no connections: that this came says nothing of whether one lives. */
  readonly presence?: "unknown";
  /**
   * The arrival to store: that of the first sending where this is a resend of the same bytes in the same session. To be
   * asked for only where the payload brings no time of its own: what is asked for is remembered.
   */
  arrival(): Arrival;
  /**
   * Resolves when the arrivals asked for on this connection are durable; undefined where nothing waits. To be awaited
   * before the message is stored, or a resend after a crash would have another arrival.
   */
  readonly kept?: Promise<void> | undefined;
}

/** Why a connection ended; `will` = it broke, and its will was published. */
export type DisconnectReason = "client" | "network" | "keep-alive" | "taken-over" | "server" | "will";

/** A credential is wrong: CONNACK 4 or 0x86. Any other error of `authenticate` means "try later": 3 or 0x88. */
export class CredentialError extends Error {
  override name = "CredentialError";
}

/** What an edge has to know of a device whose credential somebody else has checked. */
export interface Recognised {
  sessionEpoch: number;
  /** Why what it sends is not taken as its telemetry. */
  refused?: string;
  /** There is no such device. */
  unknown?: true;
}

/** What an edge asks of the platform. What is not a promise is called per packet and must be pure and quick. */
export interface EdgePolicy {
  /** Who the CONNECT claims to be; undefined refuses it (5 or 0x87). */
  identify(connect: ConnectRequest): DeviceKey | undefined;
  /** @throws CredentialError */
  authenticate(device: DeviceKey, secret: string): Promise<{ sessionEpoch: number }>;
  /** Whether the credential is the device's; opens no session. @throws CredentialError */
  verify(device: DeviceKey, secret: string): Promise<void>;
  /** For edges whose broker has checked the credential; before the device's first message is received. */
  recognise(device: DeviceKey): Promise<Recognised>;
  mayPublish(device: DeviceKey, topic: string): boolean;
  maySubscribe(device: DeviceKey, filter: string): boolean;
  /** The filter as messages are delivered under, whatever form of it the device uses. */
  canonical(device: DeviceKey, filter: string): string;
  /**
   * Resolves when the message is durable, with a Refusal where it was stored as a rejected message.
   *
   * @throws Refusal where the message is at fault; Unstored and any other error: it is stored nowhere, and must not be
   * acknowledged.
   */
  receive(device: DeviceKey, message: InboundMessage): Promise<Outcome>;
  /** Resolves when the message is durable as a rejected one. @throws as `receive` */
  reject(device: DeviceKey, message: InboundMessage, reason: string): Promise<Outcome>;
  /** What a new subscription begins with, as a retained message; undefined for nothing. */
  current(device: DeviceKey, filter: string): Promise<Buffer | undefined>;
  /** Resolves when the fact is durable; before that the client is not let in, so that no outage is entered. */
  connected(device: DeviceKey, fact: ConnectedFact): Promise<void>;
  /** Resolves when the fact is durable, which it will be, however long that takes. */
  disconnected(device: DeviceKey, fact: DisconnectedFact): Promise<void>;
  /** It has sent something since the last time; called once per connection and interval at most. */
  seen(device: DeviceKey, fact: SeenFact): void;
}

export interface SeenFact {
  sessionEpoch: number;
  /** Microseconds since 1970. */
  at: number;
  /** As of a message. */
  presence?: "unknown";
}

export interface ConnectedFact {
  sessionEpoch: number;
  /** In force; 0 = none. */
  keepAliveSeconds: number;
  /** Microseconds since 1970. */
  at: number;
}

export interface DisconnectedFact {
  sessionEpoch: number;
  reason: DisconnectReason;
  /** Microseconds since 1970. */
  at: number;
}
