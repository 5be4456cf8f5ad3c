import assert from "node:assert/strict";
import { test } from "node:test";
import { seqOf, stableHash } from "../../../lib/readings/identity.ts";
import { telemetryText } from "../../../lib/readings/telemetry-text.ts";
import type { TelemetryReceived, TelemetryRejected } from "../../../schemas/telemetry.ts";
import { native } from "../../../services/mqtt-bridge/dialects/native/native.ts";
import type { InboundMessage } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import { type PublishText, Uplink } from "../../../services/mqtt-bridge/uplink.ts";
import { items } from "./payload.ts";

const DEVICE = { tenantId: "acme", deviceId: "boiler-7" };
const NOW = 1_767_225_600_000_000;
const FIRST = { receivedAt: NOW - 5_000_000, packet: "7.1" };
const TS = 1594598400000;

const message = (payload: string, fields: Partial<InboundMessage> = {}): InboundMessage => ({
  topic: "devices/boiler-7/telemetry",
  payload: Buffer.from(payload),
  contentType: undefined,
  messageId: undefined,
  receivedAt: NOW,
  sessionEpoch: 7,
  arrival: () => FIRST,
  ...fields,
});

/** Parsed, and held against its text: JSON as `JSON.stringify` would have written it. */
function received(payload: string, fields?: Partial<InboundMessage>): TelemetryReceived {
  const text = telemetryText(DEVICE, message(payload, fields), items(payload));
  const parsed = JSON.parse(text) as TelemetryReceived;
  assert.equal(text, JSON.stringify(parsed));
  return parsed;
}

const packetSource = { id: undefined, messageId: undefined, timed: false, values: "", packet: "7.1", place: 0 };

test("a reading without a time has the time of its arrival, and its packet's identity", () => {
  const seq = seqOf(packetSource);
  assert.deepEqual(received('{"t":21.5,"on":true,"text":"a \\"b\\" \\u2028 \\\\"}'), {
    ...DEVICE,
    messageId: `${FIRST.receivedAt}-${seq}`,
    receivedAt: FIRST.receivedAt,
    readings: [{ ts: FIRST.receivedAt, seq, values: { t: 21.5, on: true, text: 'a "b" \u2028 \\' } }],
  } satisfies TelemetryReceived);
});

test("a reading with its own time asks for no arrival: it would be remembered for nothing", () => {
  const arrival = () => assert.fail("was asked for");
  const { readings, receivedAt } = received(`{"ts":${TS},"values":{"t":1}}`, { arrival });
  assert.equal(receivedAt, NOW);
  assert.equal(readings[0]?.ts, TS * 1000);
  assert.equal(readings[0]?.seq, seqOf({ ...packetSource, timed: true, values: '{"t":1}' }));
});

test("each item of a message has its own place; equal items with times are one reading", () => {
  const { readings } = received(`[{"t":1},{"t":1},{"ts":${TS},"values":{"t":1}},{"ts":${TS},"values":{"t":1}}]`);
  const [first, second, third, fourth] = readings.map(({ ts, seq }) => `${ts}/${seq}`);
  assert.notEqual(first, second);
  assert.equal(third, fourth);
});

test("the message's own id and the items' own ids are their identity", () => {
  const seqs = (payload: string, messageId?: string) => received(payload, { messageId }).readings.map(({ seq }) => seq);
  assert.deepEqual(seqs('[{"t":1},{"t":2}]', "m"), [
    seqOf({ ...packetSource, messageId: "m" }),
    seqOf({ ...packetSource, messageId: "m", place: 1 }),
  ]);
  assert.deepEqual(seqs(`{"ts":${TS},"id":7,"values":{"t":1}}`, "m"), [seqOf({ ...packetSource, id: 7 })]);
});

test("a reading is named where its sender gave an id and no time", () => {
  const named = (payload: string, messageId?: string) =>
    received(payload, { messageId }).readings.map((reading) => reading.named);
  assert.deepEqual(named(`[{"t":1},{"ts":${TS},"values":{"t":1}},{"id":7,"ts":${TS},"values":{"t":1}}]`), [
    ...[undefined, undefined, undefined],
  ]);
  assert.deepEqual(named(`[{"t":1},{"ts":${TS},"values":{"t":1}}]`, "m"), [true, undefined]);
});

test("a relative time counts from the arrival", () => {
  const { readings } = received('[{"n":"t","t":-1.5,"v":1}]');
  assert.equal(readings[0]?.ts, FIRST.receivedAt - 1_500_000);
});

test("a message's id is that of its readings, and the same for a resend", () => {
  const payload = `[{"t":1},{"ts":${TS},"values":{"t":1}}]`;
  const { messageId, readings } = received(payload);
  assert.equal(messageId, `2-${stableHash(readings.map(({ ts, seq }) => `${ts}-${seq}`).join())}`);
  assert.deepEqual(received(payload, { receivedAt: NOW + 1 }), received(payload));
});

test("values are written as JSON wherever they come from", () => {
  const { readings } = received(
    '{"constructor":-0,"toJSON":1e21,"\\u0000":"\\u0007","a.b":5e-324,"big":9007199254740993}',
  );
  assert.equal(
    JSON.stringify(readings[0]?.values),
    '{"constructor":0,"toJSON":1e+21,"\\u0000":"\\u0007","a.b":5e-324,"big":9007199254740992}',
  );
});

/** An uplink whose channel takes, or fails as told; with what was published. */
function uplink(failure?: unknown) {
  const published: Parameters<PublishText>[] = [];
  const subject = new Uplink(async (...args) => {
    published.push(args);
    if (failure !== undefined) throw failure;
  });
  return {
    published,
    counts: subject.counts,
    receive: (text: string) => subject.receive(native, DEVICE, message(text)),
  };
}

test("telemetry is published once, with the device as key, and acknowledged without a reason", async () => {
  const { published, counts, receive } = uplink();
  assert.equal(await receive('{"t":1}'), undefined);
  assert.deepEqual(
    published.map(([channel, text, options]) => [
      channel,
      (JSON.parse(text) as TelemetryReceived).readings.length,
      options,
    ]),
    [["telemetry.received", 1, { key: "acme/boiler-7", raw: true }]],
  );
  assert.deepEqual(counts, { published: 1, rejected: 0, failed: 0 });
});

test("what means nothing is published as a rejected message, and answered 0x99 with the reason", async () => {
  const { published, counts, receive } = uplink();
  const outcome = await receive('{"t":null}');
  assert.deepEqual([outcome?.code, outcome?.message], [0x99, "t: must be a number, boolean or text"]);
  const [channel, text, options] = published[0] ?? assert.fail();
  assert.equal(channel, "telemetry.rejected");
  assert.deepEqual(options, { key: "acme/boiler-7", raw: true });
  const { reason, payload } = JSON.parse(text) as TelemetryRejected;
  assert.deepEqual([reason, atob(payload)], ["t: must be a number, boolean or text", '{"t":null}']);
  assert.deepEqual(counts, { published: 0, rejected: 1, failed: 0 });
});

for (const [what, payload] of [
  ["telemetry", '{"t":1}'],
  ["a rejected message", "{"],
] as const)
  for (const [failure, name, code] of [
    [Object.assign(new Error("full"), { type: "CHANNEL_FULL", outage: true }), "Unstored", 0x97],
    [Object.assign(new Error("disk"), { type: "CHANNEL_COMMIT_FAILED", outage: true }), "Unstored", 0x89],
    [new Error("any"), "Unstored", 0x89],
    ["no error at all", "Unstored", 0x89],
    [Object.assign(new Error("too large"), { type: "CHANNEL_PAYLOAD", retryable: false }), "Refusal", 0x83],
  ] as const)
    test(`${what} that the channel does not take (${String(failure)}) is ${name === "Refusal" ? "refused" : "not answered"}: 0x${code.toString(16)}`, async () => {
      const { counts, receive } = uplink(failure);
      await assert.rejects(receive(payload), { name, code, cause: failure });
      assert.deepEqual(counts, { published: 0, rejected: 0, failed: 1 });
    });

test("a message waits until the arrivals asked for on its connection are durable; if they can't be, it is not stored", async () => {
  const published: string[] = [];
  const subject = new Uplink(async (_channel, text) => void published.push(text));
  const { promise: kept, resolve } = Promise.withResolvers<void>();
  const received = subject.receive(native, DEVICE, message('{"t":1}', { kept }));
  await new Promise((turn) => setImmediate(turn));
  assert.equal(published.length, 0);
  resolve();
  assert.equal(await received, undefined);
  assert.equal(published.length, 1);
  const lost = Promise.reject(new Error("disk is gone"));
  await assert.rejects(subject.receive(native, DEVICE, message('{"t":2}', { kept: lost })), { name: "Unstored" });
  assert.equal(published.length, 1);
});
