import assert from "node:assert/strict";
import { test } from "node:test";
import { DeviceEvents, HEARTBEAT_BYTES_MAX, STATUS_BYTES_MAX } from "../../../services/mqtt-bridge/device-events.ts";
import type { InboundMessage } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import { Refusal } from "../../../services/mqtt-bridge/edge/reason.ts";

const DEVICE = { tenantId: "acme", deviceId: "boiler-7" };
const FACT = { sessionEpoch: 7, at: 1_767_225_600_000_000 };

const message = (payload: string | Buffer): InboundMessage => ({
  ...{ topic: "", payload: Buffer.from(payload), contentType: undefined, messageId: undefined },
  ...{ receivedAt: FACT.at, sessionEpoch: FACT.sessionEpoch, arrival: () => assert.fail("an event needs none") },
});

function subject(failing: { error?: unknown } = {}) {
  const published: { event: unknown; key: string }[] = [];
  const rejected: string[] = [];
  const events = new DeviceEvents(
    async (text, { key }) => {
      if (failing.error !== undefined) throw failing.error;
      published.push({ event: JSON.parse(text), key });
    },
    async (_device, _message, reason) => {
      rejected.push(reason);
      return new Refusal(0x99, reason);
    },
  );
  return { events, published, rejected };
}

test("beginning and end of a connection and signs of life are facts under the device's key, with their epoch", async () => {
  const { events, published } = subject();
  await events.connected(DEVICE, { ...FACT, keepAliveSeconds: 60 });
  events.seen(DEVICE, FACT);
  events.disconnected(DEVICE, { ...FACT, reason: "will" });
  await events.idle(1000);
  assert.deepEqual(
    published.map(({ event }) => event),
    [
      { ...DEVICE, ...FACT, kind: "connected", protocol: "mqtt", keepAliveSeconds: 60 },
      { ...DEVICE, ...FACT, kind: "seen" },
      { ...DEVICE, ...FACT, kind: "disconnected", reason: "will" },
    ],
  );
  assert.deepEqual(new Set(published.map(({ key }) => key)), new Set(["acme/boiler-7"]));
});

test("the end of a connection is told again until the channel takes it", async (t) => {
  const failing = { error: new Error("disk is gone") as unknown };
  const { events, published } = subject(failing);
  events.disconnected(DEVICE, { ...FACT, reason: "network" });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(published, []);
  failing.error = undefined;
  await t.waitFor(() => assert.equal(published.length, 1), { timeout: 10_000 });
});

test("a status is a JSON object, a heartbeat anything small", async () => {
  const { events, published, rejected } = subject();
  assert.equal(await events.receive("status", DEVICE, message('{"battery":0.4}')), undefined);
  for (const payload of ["", "x", Buffer.from([0xff])])
    assert.equal(await events.receive("heartbeat", DEVICE, message(payload)), undefined);
  assert.deepEqual(
    published.map(({ event }) => event),
    [
      { ...DEVICE, ...FACT, kind: "status", status: { battery: 0.4 } },
      ...Array.from({ length: 3 }, () => ({ ...DEVICE, ...FACT, kind: "heartbeat" })),
    ],
  );
  assert.deepEqual(rejected, []);
});

for (const [kind, payload, reason] of [
  ["status", "1", "payload: must be a JSON object"],
  ["status", "[]", "payload: must be a JSON object"],
  ["status", "null", "payload: must be a JSON object"],
  ["status", "{", "payload: must be a JSON object"],
  ["status", '{"a":[1e400]}', "a.0: must be a finite number"],
  ["status", '{"__proto__":1}', "__proto__: is not allowed as a name"],
  ["status", `${'{"a":'.repeat(60)}1${"}".repeat(60)}`, "a: must not be nested deeper than 40"],
  ["status", Buffer.from([0x7b, 0xff, 0x7d]), "payload: must be a JSON object"],
  ["status", `{"a":"${"x".repeat(STATUS_BYTES_MAX)}"}`, `payload: must have at most ${STATUS_BYTES_MAX} bytes`],
  ["heartbeat", "x".repeat(HEARTBEAT_BYTES_MAX + 1), `payload: must have at most ${HEARTBEAT_BYTES_MAX} bytes`],
] as const)
  test(`${kind} ${payload.toString().slice(0, 10)} is kept as a rejected message: ${reason}`, async () => {
    const { events, published, rejected } = subject();
    const outcome = await events.receive(kind, DEVICE, message(payload));
    assert.equal(outcome?.code, 0x99);
    assert.deepEqual(rejected, [reason]);
    assert.deepEqual(published, []);
  });

test("a status that the channel does not take is not answered", async () => {
  const { events } = subject({ error: new Error("disk is gone") });
  await assert.rejects(events.receive("status", DEVICE, message("{}")), { name: "Unstored", code: 0x89 });
});
