import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeviceEvent } from "../../../schemas/device-events.ts";
import {
  connectionAfter,
  connectionOf,
  type StoredConnection,
} from "../../../services/device-registry/connection-status.ts";
import { followed, REPORTED_STATUS_BYTES_MAX } from "../../../services/device-registry/device-events.ts";

const T = 1_767_225_600_000_000;
const SECOND = 1_000_000;
const of = (sessionEpoch: number, seconds: number) => ({
  tenantId: "default",
  deviceId: "d",
  sessionEpoch,
  at: T + seconds * SECOND,
});
const connected = (epoch: number, seconds: number, keepAliveSeconds = 60): DeviceEvent => ({
  ...of(epoch, seconds),
  kind: "connected",
  keepAliveSeconds,
  protocol: "mqtt",
});
const disconnected = (
  epoch: number,
  seconds: number,
  reason: "network" | "client" | "will" = "network",
): DeviceEvent => ({
  ...of(epoch, seconds),
  kind: "disconnected",
  reason,
});
const seen = (epoch: number, seconds: number): DeviceEvent => ({ ...of(epoch, seconds), kind: "seen" });
const status = (epoch: number, seconds: number, said: Record<string, unknown>): DeviceEvent => ({
  ...of(epoch, seconds),
  kind: "status",
  status: said,
});

const after = (...events: DeviceEvent[]) =>
  events.reduce<StoredConnection | undefined>(connectionAfter, undefined) ?? assert.fail();
/** Seconds after T, with a grace of 10 seconds. */
const seenAt = (connection: StoredConnection, seconds: number) =>
  connectionOf(connection, T / 1000 + seconds * 1000, 10);

test("a connection is told with all that is known of it", () => {
  assert.deepEqual(seenAt(after(connected(1, 0), seen(1, 30)), 31), {
    sessionEpoch: 1,
    connected: true,
    connectedAt: "2026-01-01T00:00:00.000Z",
    lastSeenAt: "2026-01-01T00:00:30.000Z",
    keepAliveSeconds: 60,
    protocol: "mqtt",
  });
  assert.partialDeepStrictEqual(seenAt(after(connected(1, 0), disconnected(1, 5, "client")), 31), {
    connected: false,
    disconnectedAt: "2026-01-01T00:00:05.000Z",
    reason: "client",
  });
});

test("a late disconnect of an old session changes nothing, and neither does its last sign of life", () => {
  const connection = after(connected(1, 0), disconnected(1, 5, "client"), connected(2, 10));
  assert.equal(connectionAfter(connection, disconnected(1, 20)), connection);
  assert.equal(connectionAfter(connection, seen(1, 20)), connection);
  assert.partialDeepStrictEqual(seenAt(after(connected(1, 0), connected(2, 10), disconnected(1, 20)), 30), {
    ...{ sessionEpoch: 2, connected: true },
  });
});

test("a device is connected while any of its connections is open, in whatever order they end", () => {
  const both = after(connected(1, 0), connected(2, 10));
  assert.partialDeepStrictEqual(seenAt(both, 20), { sessionEpoch: 2, connected: true });
  const first = connectionAfter(both, disconnected(2, 20, "client"));
  assert.partialDeepStrictEqual(seenAt(first, 30), {
    sessionEpoch: 1,
    connected: true,
    lastSeenAt: "2026-01-01T00:00:00.000Z",
  });
  const heard = connectionAfter(first, seen(1, 80));
  assert.partialDeepStrictEqual(seenAt(heard, 150), { connected: true, lastSeenAt: "2026-01-01T00:01:20.000Z" });
  assert.equal(seenAt(heard, 80 + 90 + 10.001).connected, false, "and silent too long");
  const last = connectionAfter(first, disconnected(1, 40));
  assert.partialDeepStrictEqual(seenAt(last, 50), { sessionEpoch: 2, connected: false, reason: "client" });
  assert.equal(connectionAfter(last, seen(1, 60)), last, "what has ended is not heard of any more");
  const third = connectionAfter(first, connected(3, 40));
  assert.partialDeepStrictEqual(seenAt(connectionAfter(third, disconnected(3, 50)), 60), {
    sessionEpoch: 1,
    connected: true,
  });
});

test("connections may be told of in another order than their epochs", () => {
  const both = after(connected(2, 0), connected(1, 1));
  assert.partialDeepStrictEqual(seenAt(both, 2), { sessionEpoch: 2, connected: true });
  assert.partialDeepStrictEqual(seenAt(connectionAfter(both, disconnected(2, 3)), 4), {
    sessionEpoch: 1,
    connected: true,
  });
});

test("within a session nothing reconnects: its connect, or a sign of life, that comes again", () => {
  const connection = after(connected(1, 0), seen(1, 4), disconnected(1, 5, "will"));
  for (const event of [connected(1, 0), seen(1, 4), disconnected(1, 5, "will")])
    assert.deepEqual(connectionAfter(connection, event), connection);
});

test("of a device whose broker tells of no connections it is known when it was heard of, and nothing else", () => {
  const heard = (epoch: number, seconds: number): DeviceEvent => ({ ...seen(epoch, seconds), presence: "unknown" });
  const first = after(heard(0, 5));
  assert.deepEqual(seenAt(first, 1000), {
    sessionEpoch: 0,
    connected: null,
    lastSeenAt: "2026-01-01T00:00:05.000Z",
  });
  const moved = after(connected(3, 0), heard(3, 10), heard(3, 9));
  assert.deepEqual(seenAt(moved, 1000), { sessionEpoch: 3, connected: null, lastSeenAt: "2026-01-01T00:00:10.000Z" });
  const back = after(heard(3, 10), connected(4, 20));
  assert.partialDeepStrictEqual(seenAt(back, 21), { connected: true, connectedAt: "2026-01-01T00:00:20.000Z" });
  assert.equal(connectionAfter(back, heard(3, 30)), back);
});

test("a batch that comes again changes nothing, wherever it was cut", () => {
  const events = [
    connected(1, 0),
    status(1, 1, { battery: 80 }),
    seen(1, 2),
    disconnected(1, 3),
    connected(2, 4),
    disconnected(1, 5, "will"),
    status(2, 6, { battery: 79 }),
    connected(4, 8),
    connected(3, 8),
    seen(3, 9),
    disconnected(4, 10),
  ];
  const once = followed({ sessionEpoch: 4 }, events);
  for (let cut = 0; cut <= events.length; cut++) {
    const first = followed({ sessionEpoch: 4 }, events.slice(0, cut));
    assert.deepEqual(followed({ sessionEpoch: 4, ...first }, events), once, `cut at ${cut}`);
    assert.deepEqual(followed({ sessionEpoch: 4, ...once }, events.slice(cut)), once, `again from ${cut}`);
  }
});

test("what is heard of a new session proves its connection, although its connect was not heard", () => {
  assert.partialDeepStrictEqual(seenAt(after(connected(1, 0), disconnected(1, 1), seen(2, 5)), 6), {
    sessionEpoch: 2,
    connected: true,
    connectedAt: "2026-01-01T00:00:05.000Z",
  });
});

test("an event of a session that this device never had is about another one of its id", () => {
  assert.deepEqual(followed({ sessionEpoch: 1 }, [connected(9, 0), disconnected(9, 1)]), {});
});

test("a connection that is silent beyond 1.5 keep-alives and the grace is lost, whatever was reported", () => {
  const connection = after(connected(1, 0), seen(1, 10));
  assert.equal(seenAt(connection, 10 + 90 + 10).connected, true);
  assert.partialDeepStrictEqual(seenAt(connection, 10 + 90 + 10.001), {
    connected: false,
    reason: "keep-alive",
    disconnectedAt: "2026-01-01T00:01:40.000Z",
    lastSeenAt: "2026-01-01T00:00:10.000Z",
  });
  assert.equal(seenAt(connectionAfter(connection, seen(1, 200)), 210).connected, true, "it was late, not lost");
});

test("without a keep-alive silence tells nothing", () => {
  assert.equal(seenAt(after(connected(1, 0, 0)), 1_000_000).connected, true);
});

test("a disconnect keeps its time and takes the later reason: the will that follows", () => {
  const connection = after(connected(1, 0), disconnected(1, 5), disconnected(1, 15, "will"));
  assert.deepEqual([connection.disconnectedAt, connection.reason], [T + 5 * SECOND, "will"]);
});

test("of what a device says of itself the newest is kept, as long as it is not too long", () => {
  const said = { "a.b": { $x: 1 } };
  const { reportedStatus } = followed({ sessionEpoch: 1 }, [
    status(1, 5, said),
    status(1, 4, { late: true }),
    status(1, 6, { long: "x".repeat(REPORTED_STATUS_BYTES_MAX) }),
  ]);
  assert.deepEqual(reportedStatus, { text: JSON.stringify(said), at: T + 5 * SECOND });
});
