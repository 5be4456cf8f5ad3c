import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "cborg";
import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import { dialects } from "../../../services/mqtt-bridge/dialects/index.ts";
import { type Resubmission, resubmittedText } from "../../../services/mqtt-bridge/resubmission.ts";

const DEVICE = { tenantId: "acme", deviceId: "boiler-7" };
const message = (payload: string | Uint8Array, rest: Partial<Resubmission> = {}): Resubmission => ({
  rejectionId: "r1",
  topic: "devices/boiler-7/telemetry",
  payload: Buffer.from(payload),
  contentType: undefined,
  messageId: undefined,
  receivedAt: 1_767_225_600_000_000,
  ...rest,
});
const received = (...args: Parameters<typeof message>) =>
  JSON.parse(resubmittedText(dialects, DEVICE, message(...args))) as TelemetryReceived;

test("readings without a time have the one at which the message came first, and their identity is its own", () => {
  const first = received('{"t":21.5}');
  assert.partialDeepStrictEqual(first, { ...DEVICE, receivedAt: 1_767_225_600_000_000 });
  assert.partialDeepStrictEqual(first.readings, [{ ts: 1_767_225_600_000_000, values: { t: 21.5 } }]);
  assert.deepEqual(received('{"t":21.5}'), first, "resubmitted twice it is one");
  assert.notEqual(received('{"t":21.5}', { rejectionId: "r2" }).readings[0]?.seq, first.readings[0]?.seq);
});

test("readings with a time of their own are those that the device would have sent", () => {
  const timed = '{"ts":1700000000000,"values":{"t":1}}';
  assert.deepEqual(received(timed), received(timed, { rejectionId: "r2" }));
});

test("the content type that came with it decides how it is decoded", () => {
  assert.deepEqual(received(encode({ t: 1 }), { contentType: "application/cbor" }).readings[0]?.values, { t: 1 });
});

test("what means nothing now either is refused with 422, naming the field", () => {
  assert.throws(() => received('{"t":null}'), {
    code: 422,
    type: "VALIDATION_ERROR",
    data: [{ field: "payload", message: "t: must be a number, boolean or text" }],
  });
});

test("a topic that is not the device's telemetry is refused with 409", () => {
  assert.throws(() => received("{}", { topic: "devices/other/telemetry" }), { code: 409, type: "TOPIC_UNKNOWN" });
});
