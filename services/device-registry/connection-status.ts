import { instantOf } from "../../lib/instant.ts";
import type { DeviceConnection } from "../../schemas/device.ts";
import type { DeviceEvent } from "../../schemas/device-events.ts";

/** A device's newest connection as stored; instants are microseconds since 1970. */
export interface StoredConnection {
  sessionEpoch: number;
  /** No end of it was reported. Whether it lives is computed when it is read: a crash reports nothing. */
  connected: boolean;
  connectedAt: number;
  disconnectedAt?: number;
  reason?: string;
  lastSeenAt: number;
  keepAliveSeconds?: number;
  protocol?: string;
}

/**
 * The connection after an event. An event of an older epoch changes nothing, and one that comes again changes nothing
 * either: what is taken from it is the same, and within an epoch nothing reconnects.
 */
export function connectionAfter(known: StoredConnection | undefined, event: DeviceEvent): StoredConnection {
  if (known && event.sessionEpoch < known.sessionEpoch) return known;
  const { sessionEpoch, at } = event;
  const opened: StoredConnection =
    known?.sessionEpoch === sessionEpoch
      ? known
      : // Whatever is heard of a newer epoch proves its connection.
        { sessionEpoch, connected: true, connectedAt: at, lastSeenAt: at };
  switch (event.kind) {
    case "connected": {
      const { keepAliveSeconds, protocol } = event;
      return { ...opened, connectedAt: at, lastSeenAt: Math.max(opened.lastSeenAt, at), keepAliveSeconds, protocol };
    }
    case "disconnected":
      return { ...opened, connected: false, disconnectedAt: opened.disconnectedAt ?? at, reason: event.reason };
    default:
      return { ...opened, lastSeenAt: Math.max(opened.lastSeenAt, at) };
  }
}

/** MQTT 5.0 section 3.1.2.10: silent for one and a half times the keep-alive is disconnected. */
const KEEP_ALIVES = 1.5;

/**
 * The connection as callers see it at `now` (milliseconds). One without a reported end that was silent for longer than
 * its keep-alive allows, and `graceSeconds` for what is reported in batches, is lost. Without a keep-alive only its
 * reported end, or the next connection, tells.
 */
export function connectionOf(stored: StoredConnection, now: number, graceSeconds: number): DeviceConnection {
  const { sessionEpoch, connected, connectedAt, lastSeenAt, keepAliveSeconds, protocol } = stored;
  const silentAfter =
    connected && keepAliveSeconds ? lastSeenAt + KEEP_ALIVES * keepAliveSeconds * 1_000_000 : Number.POSITIVE_INFINITY;
  const lost = now * 1000 > silentAfter + graceSeconds * 1_000_000;
  const disconnectedAt = lost ? silentAfter : stored.disconnectedAt;
  const reason = lost ? "keep-alive" : stored.reason;
  return {
    sessionEpoch,
    connected: connected && !lost,
    connectedAt: instantOf(connectedAt),
    ...(disconnectedAt === undefined ? {} : { disconnectedAt: instantOf(disconnectedAt) }),
    ...(reason === undefined ? {} : { reason }),
    lastSeenAt: instantOf(lastSeenAt),
    ...(keepAliveSeconds === undefined ? {} : { keepAliveSeconds }),
    ...(protocol === undefined ? {} : { protocol }),
  };
}
