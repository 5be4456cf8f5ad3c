import type { TlsFiles } from "../../../lib/tls-files.ts";
import { type AcknowledgeOrder, commitThenAcknowledge } from "./acknowledge.ts";

/** The limits of an embedded edge. */
export interface EdgeOptions {
  /** Address to listen on. @default "127.0.0.1" */
  host?: string;
  /** TCP port; 0 = a free one. @default 1883 */
  port?: number;
  /** WebSocket port; 0 = a free one. @default 8083 */
  wsPort?: number;
  /** Certificate and key; without them nothing is listened on with TLS. */
  tls?: TlsFiles | undefined;
  /** Port for MQTT over TLS. @default 8883 */
  tlsPort?: number;
  /** Port for MQTT over WebSocket over TLS. @default 8084 */
  wssPort?: number;
  /** File of the sessions; left out: they end with the process. */
  sessionsFile?: string | undefined;
  /** @default "FULL" */
  synchronous?: "FULL" | "NORMAL";
  /** Largest packet taken; above it DISCONNECT 0x95. @default 262144 */
  maxPacketBytes?: number;
  /** Longest topic name of a PUBLISH; above it PUBACK 0x90. @default 512 */
  maxTopicBytes?: number;
  /** Most levels of one, 100 at most; above it PUBACK 0x90. @default 16 */
  maxTopicLevels?: number;
  /** Server Keep Alive for MQTT 5 clients that ask for more or for none. @default 300 */
  maxKeepAliveSeconds?: number;
  /** Longest Session Expiry Interval; it also bounds sessions of 3.1.1 clients that don't ask for a clean one. @default 604800 */
  maxSessionSeconds?: number;
  /** From the connection to its CONNECT, and from CONNECT to the registry's answer. @default 10000 */
  connectTimeoutMs?: number;
  /** Connections of all listeners together; one more is refused with CONNACK 0x97 or 3. @default 10000 */
  maxConnections?: number;
  /** Connections of one device; one more is refused with CONNACK 0x97 or 3. 0 = no limit. @default 10 */
  maxConnectionsPerDevice?: number;
  /** Receive Maximum: unreleased QoS 2 messages of one client; above it DISCONNECT 0x93. @default 1000 */
  receiveMaximum?: number;
  /** PUBLISH packets per second and device, over all its connections; above it DISCONNECT 0x96. 0 = no limit. @default 0 */
  maxMessagesPerSecond?: number;
  /**
   * CONNECT, SUBSCRIBE, UNSUBSCRIBE, PINGREQ and refused PUBLISH packets per second and device, over all its connections;
   * above it DISCONNECT 0x96, a CONNECT is refused with CONNACK 0x9F or 3. 0 = no limit. @default 100
   */
  maxControlPacketsPerSecond?: number;
  /** Longest client id, characters. @default 256 */
  maxClientIdLength?: number;
  /** Subscriptions of a session; one more gets SUBACK 0x97. @default 100 */
  maxSubscriptions?: number;
  /** Sessions kept without a connection; beyond it the oldest ends. @default 100000 */
  maxParkedSessions?: number;
  /** Sessions of one device kept without a connection; beyond it its own oldest ends. 0 = no limit. @default 10 */
  maxParkedSessionsPerDevice?: number;
  /** Packets per session whose arrival is remembered for a resend. @default 1000 */
  maxRememberedPackets?: number;
  /** Messages sent to a client and not acknowledged, where it does not set a lower Receive Maximum. @default 100 */
  maxInFlight?: number;
  /**
   * Messages held for one session behind those in flight. Beyond it a session that outlives its connection loses its
   * oldest, and a connection without such a session is ended with 0x97. @default 1000
   */
  maxQueuedPerSession?: number;
  /** Retained messages. @default 100000 */
  maxRetained?: number;
  /** Bytes of all retained messages. @default 67108864 */
  maxRetainedBytes?: number;
  /** How often the connections that were heard of are reported. @default 30000 */
  seenIntervalMs?: number;
  /** How long the will of a connection that a crash has ended waits for its client. @default 30000 */
  recoveredWillMs?: number;
  /** What a stop waits for messages being committed, then for clients to hang up. @default 2000 */
  drainTimeoutMs?: number;
  /** Clock, microseconds since 1970. */
  now?: () => number;
  /** @default commitThenAcknowledge */
  acknowledgeOrder?: AcknowledgeOrder;
}

export type Options = Required<EdgeOptions>;

export const withDefaults = (options: EdgeOptions): Options => ({
  host: "127.0.0.1",
  port: 1883,
  wsPort: 8083,
  tls: undefined,
  tlsPort: 8883,
  wssPort: 8084,
  sessionsFile: undefined,
  synchronous: "FULL",
  maxPacketBytes: 262_144,
  maxTopicBytes: 512,
  maxTopicLevels: 16,
  maxKeepAliveSeconds: 300,
  maxSessionSeconds: 604_800,
  connectTimeoutMs: 10_000,
  maxConnections: 10_000,
  maxConnectionsPerDevice: 10,
  receiveMaximum: 1000,
  maxMessagesPerSecond: 0,
  maxControlPacketsPerSecond: 100,
  maxClientIdLength: 256,
  maxSubscriptions: 100,
  maxParkedSessions: 100_000,
  maxParkedSessionsPerDevice: 10,
  maxRememberedPackets: 1000,
  maxInFlight: 100,
  maxQueuedPerSession: 1000,
  maxRetained: 100_000,
  maxRetainedBytes: 67_108_864,
  seenIntervalMs: 30_000,
  recoveredWillMs: 30_000,
  drainTimeoutMs: 2000,
  now: () => Date.now() * 1000,
  acknowledgeOrder: commitThenAcknowledge,
  ...options,
});
