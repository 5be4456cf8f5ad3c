import { instantOf } from "../../lib/instant.ts";
import type { DeviceConnection } from "../../schemas/device.ts";
import type { DeviceEvent } from "../../schemas/device-events.ts";

/** One connection of a device as stored; instants are microseconds since 1970. */
interface OneConnection {
  sessionEpoch: number;
  /**
   * No end of it was reported. Whether it lives is computed when it is read: a crash reports nothing. Null where the
   * device's broker tells of no connections.
   */
  connected: boolean | null;
  /** Absent where `connected` is null. */
  connectedAt?: number;
  disconnectedAt?: number;
  reason?: string;
  lastSeenAt: number;
  keepAliveSeconds?: number;
  protocol?: string;
}

/** A device's newest connection, which fences what comes late of older ones. */
export interface StoredConnection extends OneConnection {
  /** Older ones whose end was not reported, newest first: a device may have several at once. */
  older?: OneConnection[];
}

/** Beyond it the oldest is forgotten; with a keep-alive it would be lost some day. */
const OLDER_MAX = 100;

/**
 * The connections after an event. Of an older connection only its end, its signs of life while it is open, and its
 * beginning count: an end that comes late, of a connection that is not known as open, changes nothing. One that comes
 * again changes nothing either: what is taken from it is the same, and within an epoch nothing reconnects.
 */
export function connectionAfter(known: StoredConnection | undefined, event: DeviceEvent): StoredConnection {
  if (event.presence === "unknown") return heardOf(known, event);
  if (!known) return after(openedBy(event), event);
  const { older = [], ...newest } = known;
  if (event.sessionEpoch === newest.sessionEpoch)
    return withOlder(after(newest.connected === null ? openedBy(event) : newest, event), older);
  if (event.sessionEpoch > newest.sessionEpoch)
    return withOlder(after(openedBy(event), event), newest.connected ? [newest, ...older] : older);
  const open = older.find(({ sessionEpoch }) => sessionEpoch === event.sessionEpoch);
  if (!open && event.kind !== "connected") return known;
  const others = older.filter((one) => one !== open);
  const changed = after(open ?? openedBy(event), event);
  return withOlder(newest, changed.connected ? [...others, changed].sort(newestFirst) : others);
}

/** At a broker that tells of no connections the device has none that are known. */
function heardOf(known: StoredConnection | undefined, { sessionEpoch, at }: DeviceEvent): StoredConnection {
  if (known && sessionEpoch < known.sessionEpoch) return known;
  return { sessionEpoch, connected: null, lastSeenAt: Math.max(known?.lastSeenAt ?? 0, at) };
}

/** Whatever is heard of a newer epoch proves its connection. */
const openedBy = ({ sessionEpoch, at }: DeviceEvent): OneConnection => ({
  ...{ sessionEpoch, connected: true, connectedAt: at, lastSeenAt: at },
});

const newestFirst = (a: OneConnection, b: OneConnection) => b.sessionEpoch - a.sessionEpoch;

const withOlder = (newest: OneConnection, older: OneConnection[]): StoredConnection =>
  older.length === 0 ? newest : { ...newest, older: older.slice(0, OLDER_MAX) };

function after(one: OneConnection, event: DeviceEvent): OneConnection {
  const { at } = event;
  switch (event.kind) {
    case "connected": {
      const { keepAliveSeconds, protocol } = event;
      return { ...one, connectedAt: at, lastSeenAt: Math.max(one.lastSeenAt, at), keepAliveSeconds, protocol };
    }
    case "disconnected":
      return { ...one, connected: false, disconnectedAt: one.disconnectedAt ?? at, reason: event.reason };
    default:
      return { ...one, lastSeenAt: Math.max(one.lastSeenAt, at) };
  }
}

/** MQTT 5.0 section 3.1.2.10: silent for one and a half times the keep-alive is disconnected. */
const KEEP_ALIVES = 1.5;

/**
 * The connection as callers see it at `now` (milliseconds): the newest that lives, else the newest. One without a
 * reported end that was silent for longer than its keep-alive allows, and `graceSeconds` for what is reported in batches,
 * is lost. Without a keep-alive only its reported end tells.
 */
export function connectionOf(stored: StoredConnection, now: number, graceSeconds: number): DeviceConnection {
  const { older = [], ...newest } = stored;
  const all = [newest, ...older].map((one) => seenBy(one, now, graceSeconds));
  return all.find(({ connected }) => connected) ?? (all[0] as DeviceConnection);
}

function seenBy(one: OneConnection, now: number, graceSeconds: number): DeviceConnection {
  const { sessionEpoch, connected, connectedAt, lastSeenAt, keepAliveSeconds, protocol } = one;
  const silentAfter =
    connected && keepAliveSeconds ? lastSeenAt + KEEP_ALIVES * keepAliveSeconds * 1_000_000 : Number.POSITIVE_INFINITY;
  const lost = now * 1000 > silentAfter + graceSeconds * 1_000_000;
  const disconnectedAt = lost ? silentAfter : one.disconnectedAt;
  const reason = lost ? "keep-alive" : one.reason;
  return {
    sessionEpoch,
    connected: connected && !lost,
    ...(connectedAt === undefined ? {} : { connectedAt: instantOf(connectedAt) }),
    ...(disconnectedAt === undefined ? {} : { disconnectedAt: instantOf(disconnectedAt) }),
    ...(reason === undefined ? {} : { reason }),
    lastSeenAt: instantOf(lastSeenAt),
    ...(keepAliveSeconds === undefined ? {} : { keepAliveSeconds }),
    ...(protocol === undefined ? {} : { protocol }),
  };
}
