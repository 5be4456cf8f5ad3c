import assert from "node:assert/strict";
import { test } from "node:test";
import type { InboundMessage } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import { REJECTED_PAYLOAD_BYTES_MAX, rejectionOf } from "../../../services/mqtt-bridge/rejected-message.ts";

const DEVICE = { tenantId: "acme", deviceId: "boiler-7" };
const message = (payload: Buffer, topic = "devices/boiler-7/telemetry", receivedAt = 5): InboundMessage => ({
  topic,
  payload,
  contentType: undefined,
  messageId: undefined,
  receivedAt,
  sessionEpoch: 7,
  arrival: () => assert.fail("a rejected message needs none"),
});
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

test("the same bytes again are the same entry, whenever they come and why ever they are refused", () => {
  const bytes = Buffer.from("x");
  assert.equal(idOf(bytes), idOf(Buffer.from("x"), undefined, 6));
  assert.equal(idOf(bytes), rejectionOf(DEVICE, message(bytes), "another reason").rejectionId);
});

test("other bytes, topics, devices and tenants are other entries", () => {
  const bytes = Buffer.from("x");
  const of = (device: typeof DEVICE) => rejectionOf(device, message(bytes), "r").rejectionId;
  const ids = [
    idOf(bytes),
    idOf(Buffer.from("y")),
    idOf(bytes, "devices/me/telemetry"),
    idOf(Buffer.from("tryx"), "devices/boiler-7/teleme"),
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
