import { type AcknowledgeOrder, commitThenAcknowledge } from "./acknowledge.ts";

/** The limits of an embedded edge. */
export interface EdgeOptions {
  /** Address to listen on. @default "127.0.0.1" */
  host?: string;
  /** TCP port; 0 = a free one. @default 1883 */
  port?: number;
  /** WebSocket port; 0 = a free one. @default 8083 */
  wsPort?: number;
  /** Largest packet taken; above it DISCONNECT 0x95. @default 262144 */
  maxPacketBytes?: number;
  /** Server Keep Alive for MQTT 5 clients that ask for more or for none. @default 300 */
  maxKeepAliveSeconds?: number;
  /** Longest Session Expiry Interval; it also bounds sessions of 3.1.1 clients that don't ask for a clean one. @default 604800 */
  maxSessionSeconds?: number;
  /** From the connection to its CONNECT, and from CONNECT to the registry's answer. @default 10000 */
  connectTimeoutMs?: number;
  /** Connections, TCP and WebSocket together; one more is closed at once. @default 10000 */
  maxConnections?: number;
  /** Receive Maximum: unreleased QoS 2 messages of one client; above it DISCONNECT 0x93. @default 1000 */
  receiveMaximum?: number;
  /** Longest client id, characters. @default 256 */
  maxClientIdLength?: number;
  /** Sessions kept without a connection; beyond it the oldest ends. @default 100000 */
  maxParkedSessions?: number;
  /** Packets per session whose arrival is remembered for a resend. @default 1000 */
  maxRememberedPackets?: number;
  /** Messages held for a client that is slow to acknowledge; above it DISCONNECT 0x97. @default 1000 */
  maxQueuedPerClient?: number;
  /** What a stop waits for messages being committed, then for clients to hang up. @default 2000 */
  drainTimeoutMs?: number;
  /** Clock, microseconds since 1970. */
  now?: () => number;
  /** @default commitThenAcknowledge */
  acknowledgeOrder?: AcknowledgeOrder;
}

export const withDefaults = (options: EdgeOptions): Required<EdgeOptions> => ({
  host: "127.0.0.1",
  port: 1883,
  wsPort: 8083,
  maxPacketBytes: 262_144,
  maxKeepAliveSeconds: 300,
  maxSessionSeconds: 604_800,
  connectTimeoutMs: 10_000,
  maxConnections: 10_000,
  receiveMaximum: 1000,
  maxClientIdLength: 256,
  maxParkedSessions: 100_000,
  maxRememberedPackets: 1000,
  maxQueuedPerClient: 1000,
  drainTimeoutMs: 2000,
  now: () => Date.now() * 1000,
  acknowledgeOrder: commitThenAcknowledge,
  ...options,
});
