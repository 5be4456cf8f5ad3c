import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundMessage } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import { REJECTED_PAYLOAD_BYTES_MAX, rejectionOf } from "../../../services/mqtt-bridge/rejected-message.ts";

const DEVICE = { tenantId: "acme", deviceId: "boiler-7" };
const message = (payload: Buffer, more: Partial<InboundMessage> = {}): InboundMessage => ({
  topic: "devices/boiler-7/telemetry",
  payload,
  contentType: undefined,
  messageId: undefined,
  receivedAt: 6,
  sessionEpoch: 7,
  // A resend's is that of the first.
  arrival: () => ({ receivedAt: 5, packet: "7.1" }),
  ...more,
});
const arrival = (packet: string) => () => ({ receivedAt: 5, packet });
const idOf = (...args: Parameters<typeof message>) => rejectionOf(DEVICE, message(...args), "r").rejectionId;

test("a rejected message keeps device, topic, time, reason and bytes", () => {
  const { rejectionId, ...rest } = rejectionOf(DEVICE, message(Buffer.from([0, 255])), "payload: must be JSON");
  assert.deepEqual(rest, {
    ...DEVICE,
    receivedAt: 5,
    topic: "devices/boiler-7/telemetry",
    reason: "payload: must be JSON",
    payload: "AP8=",
  });
  assert.match(rejectionId, /^[\w-]{32}$/);
});

test("a resend is the same entry, whenever it comes and why ever it is refused; an equal message is another", () => {
  const bytes = Buffer.from("x");
  assert.equal(idOf(bytes), idOf(Buffer.from("x"), { receivedAt: 9 }));
  assert.equal(idOf(bytes), rejectionOf(DEVICE, message(bytes), "another reason").rejectionId);
  assert.notEqual(idOf(bytes), idOf(bytes, { arrival: arrival("7.2") }));
});

test("a message with an id of its own is one entry in every session; with another id it is another", () => {
  const bytes = Buffer.from("x");
  const named = (messageId: string, packet: string) => idOf(bytes, { messageId, arrival: arrival(packet) });
  assert.equal(named("m-1", "7.1"), named("m-1", "8.1"));
  assert.notEqual(named("m-1", "7.1"), named("m-2", "7.1"));
  assert.notEqual(named("7.1", "7.1"), idOf(bytes));
});

test("other bytes, topics, devices and tenants are other entries", () => {
  const bytes = Buffer.from("x");
  const of = (device: typeof DEVICE) => rejectionOf(device, message(bytes), "r").rejectionId;
  const ids = [
    idOf(bytes),
    idOf(Buffer.from("y")),
    idOf(bytes, { topic: "devices/me/telemetry" }),
    idOf(Buffer.from("tryx"), { topic: "devices/boiler-7/teleme" }),
    of({ ...DEVICE, deviceId: "boiler-8" }),
    of({ ...DEVICE, tenantId: "other" }),
  ];
  assert.equal(new Set(ids).size, ids.length);
});

test("the first 64 KiB of a long payload are kept, and the reason says so; its id is of all its bytes", () => {
  const long = Buffer.alloc(REJECTED_PAYLOAD_BYTES_MAX + 1, "a");
  const { payload, reason } = rejectionOf(DEVICE, message(long), "r");
  assert.equal(Buffer.from(payload, "base64").length, REJECTED_PAYLOAD_BYTES_MAX);
  assert.equal(reason, "r (the first 65536 of 65537 bytes are kept)");
  const other = Buffer.from(long);
  other[REJECTED_PAYLOAD_BYTES_MAX] = 0;
  assert.notEqual(idOf(long), idOf(other));
  assert.equal(rejectionOf(DEVICE, message(long.subarray(1)), "r").reason, "r");
});
