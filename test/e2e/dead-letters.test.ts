import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import mqtt from "mqtt";
import type { DeadLetter, DeadLetterSummary } from "../../schemas/dead-letters.ts";
import type { RejectedMessage } from "../../schemas/telemetry.ts";
import { RawClient } from "../ports/mqtt-edge/suite/raw-client.ts";
import { connectPacket, kept, publishPacket } from "../ports/mqtt-edge/suite/subject.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { type RestClient, restClient } from "../support/rest.ts";

const REFUSING = [`--import=${new URL("../support/refusing-store.ts", import.meta.url).href}`];
const WAIT = { timeout: 15_000, interval: 100 };
let platform: Platform;
let rest: RestClient;
before(async () => {
  platform = await startPlatform({ nodeOptions: REFUSING });
  rest = restClient(platform.http);
});
after(() => platform.stop());

/** Registers a device and publishes as it. */
async function publishing(deviceId: string, payloads: string[]): Promise<void> {
  await rest.register(deviceId);
  const password = await rest.credential(deviceId);
  const device = await mqtt.connectAsync(platform.mqtt, { username: deviceId, password, reconnectPeriod: 0 });
  for (const payload of payloads) await device.publishAsync("devices/me/telemetry", payload, { qos: 1 });
  await device.endAsync();
}

const values = async (deviceId: string) => (await rest.readings(deviceId)).map((reading) => reading.values);

async function letters(t: TestContext, deviceId: string, count: number): Promise<DeadLetterSummary[]> {
  const list = async () =>
    ((await rest.request("GET", `/v1/dead-letters?deviceId=${deviceId}`)) as { items: DeadLetterSummary[] }).items;
  await t.waitFor(async () => assert.equal((await list()).length, count), WAIT);
  return list();
}

async function rejected(t: TestContext, deviceId: string, count: number): Promise<RejectedMessage[]> {
  const list = async () =>
    ((await rest.request("GET", `/v1/rejected-messages?deviceId=${deviceId}`)) as { items: RejectedMessage[] }).items;
  await t.waitFor(async () => assert.equal((await list()).length, count), WAIT);
  return list();
}

const refused = (request: Promise<unknown>, status: number, what: RegExp) =>
  assert.rejects(request, (error: { status: number; message: string }) => {
    assert.equal(error.status, status, error.message);
    assert.match(error.message, what);
    return true;
  });

test("a message that the store refuses is inspected, edited and re-driven by REST, and becomes a reading", async (t) => {
  await publishing("mended", ['{"a":1,"b":1}', '{"c":3}']);
  const [{ id, group, cause }] = (await letters(t, "mended", 1)) as [DeadLetterSummary];
  assert.deepEqual([group, cause], ["store", "rejected"]);
  const path = `/v1/dead-letters/${id}`;
  const { payload, error } = (await rest.request("GET", path)) as Omit<DeadLetter, "payload"> & {
    payload: { readings: { values: object }[] };
  };
  assert.equal(error.type, "READING_REFUSED");
  assert.deepEqual(
    payload.readings.map((reading) => reading.values),
    [{ c: 3 }],
  );
  const readings = payload.readings.map((reading) => ({ ...reading, values: { b: 3 } }));
  await rest.request("PATCH", path, { payload: { ...payload, readings } });
  assert.deepEqual(await rest.request("POST", `${path}:redrive`), { channel: "telemetry.received", group: "store" });
  await t.waitFor(async () => assert.deepEqual(await values("mended"), [{ a: 1, b: 1 }, { b: 3 }]), WAIT);
  await refused(rest.request("GET", path), 404, /DEAD_LETTER_NOT_FOUND/);
});

test("dead letters are re-driven and discarded in bulk, and one by one, at paths with a colon", async (t) => {
  await publishing("bulk", ['{"a":1,"b":1}', '{"c":1}', '{"c":2}', '{"c":3}']);
  await letters(t, "bulk", 3);
  assert.deepEqual(await rest.request("POST", "/v1/dead-letters:redrive", { deviceId: "bulk", limit: 1 }), {
    redriven: 1,
    failed: [],
    more: true,
  });
  // It is refused again.
  const [{ id }] = (await letters(t, "bulk", 3)) as [DeadLetterSummary];
  assert.equal(await rest.request("DELETE", `/v1/dead-letters/${id}`), undefined);
  assert.deepEqual(await rest.request("POST", "/v1/dead-letters:discard", { deviceId: "bulk" }), {
    discarded: 2,
    more: false,
  });
  await letters(t, "bulk", 0);
  await refused(rest.request("POST", "/v1/dead-letters:discard", {}), 422, /filter/);
  await refused(rest.request("GET", "/v1/dead-letters:redrive"), 405, /METHOD_NOT_ALLOWED/);
  await refused(rest.request("POST", "/v1/dead-letters:drive", {}), 404, /PATH_NOT_FOUND/);
  await refused(rest.request("POST", `/v1/dead-letters/${id}:redrive`), 404, /DEAD_LETTER_NOT_FOUND/);
});

test("a rejected message is re-driven with another payload, at the time at which it came; wrong again is 422 and it stays", async (t) => {
  await publishing("nonsense", ['{"a":{"celsius":1}}']);
  const [{ rejectionId, receivedAt, reason }] = (await rejected(t, "nonsense", 1)) as [RejectedMessage];
  const path = `/v1/rejected-messages/${rejectionId}`;
  assert.partialDeepStrictEqual(await rest.request("GET", path), { rejectionId, reason });
  await refused(rest.request("POST", `${path}:redrive`), 422, /a: must be a number/);
  await refused(rest.request("POST", `${path}:redrive`, { payload: { a: [1] } }), 422, /a: must be a number/);
  await refused(rest.request("POST", `${path}:redrive`, { payload: "x" }), 422, /payload/);
  await rest.request("POST", `${path}:redrive`, { payload: { a: 1.5 } });
  await t.waitFor(async () => assert.equal((await rest.readings("nonsense")).length, 1), WAIT);
  assert.deepEqual(await rest.readings("nonsense"), [{ ts: receivedAt, values: { a: 1.5 } }]);
  await refused(rest.request("GET", path), 404, /REJECTED_MESSAGE_NOT_FOUND/);
});

test("equal messages that were acknowledged and rejected are as many readings once they are re-driven", async (t) => {
  const type = (maximum: number) =>
    rest.request("PUT", "/v1/device-types/narrow", {
      telemetrySchema: { properties: { t: { type: "number", maximum } } },
    });
  await type(10);
  await rest.request("POST", "/v1/devices", { id: "steady", type: "narrow" });
  // MQTT 3.1.1: each has its PUBACK.
  for (let connection = 0; connection < 2; connection++) await publishing("steady", ['{"t":20}', '{"t":20}']);
  await rejected(t, "steady", 4);
  await type(100);
  const redriven = async () =>
    (await rest.request("POST", "/v1/rejected-messages:redrive", { deviceId: "steady" })) as object;
  // The edge hears of the new schema by a hint.
  await t.waitFor(async () => {
    await redriven();
    await rejected(t, "steady", 0);
  }, WAIT);
  await t.waitFor(async () => assert.deepEqual(await values("steady"), Array(4).fill({ t: 20 })), WAIT);
});

test("a rejected message that is sent again in its session, over a kill of the platform too, is one entry", async (t) => {
  const own = await startPlatform();
  t.after(() => own.kill());
  let [process, http] = [own, restClient(own.http)];
  await http.register("again");
  const password = Buffer.from(await http.credential("again"));
  const send = async (dup: boolean) => {
    const client = new RawClient(process.mqtt, 4);
    client.send(connectPacket(4, { ...kept(4), username: "again", password }));
    assert.deepEqual(await client.answers(1), ["connack"]);
    client.send(publishPacket(1, "{", { topic: "devices/me/telemetry", dup }));
    assert.deepEqual(await client.answers(1), ["puback 1"]);
    client.cut();
  };
  await send(false);
  await send(true);
  await process.kill("SIGKILL");
  process = await startPlatform({ dataDir: own.dataDir });
  t.after(() => process.stop());
  http = restClient(process.http);
  await send(true);
  // Behind it, in order.
  await send(false);
  await t.waitFor(async () => assert.equal((await http.rejected()).length, 2), WAIT);
});

test("rejected messages are re-driven in bulk with the reason why each stays, and discarded, one or all", async (t) => {
  await publishing("junk", ["{", "}", '{"a":null}']);
  const messages = await rejected(t, "junk", 3);
  const { redriven, failed, more } = (await rest.request("POST", "/v1/rejected-messages:redrive", {
    deviceId: "junk",
  })) as { redriven: number; failed: { id: string; code: string; message: string }[]; more: boolean };
  assert.deepEqual([redriven, failed.length, more], [0, 3, false]);
  assert.deepEqual(new Set(failed.map(({ code }) => code)), new Set(["VALIDATION_ERROR"]));
  assert.ok(failed.some(({ message }) => /a: must be a number/.test(message)));
  await rest.request("DELETE", `/v1/rejected-messages/${messages[0]?.rejectionId}`);
  await rejected(t, "junk", 2);
  assert.deepEqual(await rest.request("POST", "/v1/rejected-messages:discard", { deviceId: "junk" }), {
    discarded: 2,
    more: false,
  });
  await rejected(t, "junk", 0);
  await refused(rest.request("POST", "/v1/rejected-messages:discard", { limit: 5 }), 422, /filter/);
  await refused(rest.request("DELETE", `/v1/rejected-messages/${messages[0]?.rejectionId}`), 404, /NOT_FOUND/);
});

test("a device that is deleted with its readings leaves no rejected message and no dead letter; without them both stay", async (t) => {
  for (const [deviceId, readings, left] of [
    ["leaving", "delete", 0],
    ["staying", "keep", 1],
  ] as const) {
    await publishing(deviceId, ["{", '{"c":3}']);
    await letters(t, deviceId, 1);
    await rejected(t, deviceId, 1);
    await rest.request("DELETE", `/v1/devices/${deviceId}?readings=${readings}`);
    await letters(t, deviceId, left);
    await rejected(t, deviceId, left);
  }
});

test("the API document has each of these paths with its parameters", async () => {
  const { paths } = (await rest.request("GET", "/openapi.json")) as {
    paths: Record<string, Record<string, { parameters?: { name: string; in: string }[] }>>;
  };
  const own = Object.entries(paths).filter(([path]) => /dead-letters|rejected-messages/.test(path));
  assert.deepEqual(
    own.map(([path, methods]) => [path, Object.keys(methods).sort().join()]),
    [
      ["/v1/dead-letters", "get"],
      ["/v1/dead-letters:discard", "post"],
      ["/v1/dead-letters:redrive", "post"],
      ["/v1/dead-letters/{deadLetterId}", "delete,get,patch"],
      ["/v1/dead-letters/{deadLetterId}:redrive", "post"],
      ["/v1/rejected-messages", "get"],
      ["/v1/rejected-messages:discard", "post"],
      ["/v1/rejected-messages:redrive", "post"],
      ["/v1/rejected-messages/{rejectionId}", "delete,get"],
      ["/v1/rejected-messages/{rejectionId}:redrive", "post"],
    ],
  );
  assert.partialDeepStrictEqual(paths["/v1/dead-letters/{deadLetterId}:redrive"]?.["post"]?.parameters, [
    { name: "deadLetterId", in: "path" },
  ]);
});

test("dead letters, rejected messages and what waits for its re-drive survive a restart", async (t) => {
  await publishing("kept", ['{"a":1,"b":1}', '{"c":1}', "{"]);
  await letters(t, "kept", 1);
  await rejected(t, "kept", 1);
  await platform.kill();
  platform = await startPlatform({
    dataDir: platform.dataDir,
    env: { METRICS_PER_DEVICE_MAX: "3", ...platform.addresses },
  });
  // The store takes three metrics by now: the same letter passes.
  assert.partialDeepStrictEqual(await rest.request("POST", "/v1/dead-letters:redrive", { deviceId: "kept" }), {
    redriven: 1,
  });
  await t.waitFor(async () => assert.deepEqual(await values("kept"), [{ a: 1, b: 1 }, { c: 1 }]), WAIT);
  await letters(t, "kept", 0);
  await rejected(t, "kept", 1);
});
