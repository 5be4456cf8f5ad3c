import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import mqtt, { type MqttClient } from "mqtt";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

let platform: Platform;
before(async () => {
  platform = await startPlatform();
});
after(() => platform.stop());

/** A new device, connected. */
async function device(id: string, protocolVersion: 4 | 5 = 5): Promise<MqttClient> {
  const rest = restClient(platform.http);
  await rest.register(id);
  const password = await rest.credential(id);
  return mqtt.connectAsync(platform.mqtt, { username: id, password, protocolVersion, reconnectPeriod: 0 });
}

/** Publishes all, then a last reading, and reads until that one is there: all before it are, in order. */
async function stored(id: string, client: MqttClient, messages: [payload: unknown, properties?: object][]) {
  for (const [payload, userProperties] of messages)
    await client.publishAsync("devices/me/telemetry", JSON.stringify(payload), {
      qos: 1,
      ...(userProperties ? { properties: { userProperties: userProperties as Record<string, string> } } : {}),
    });
  await client.publishAsync(
    "devices/me/telemetry",
    JSON.stringify({ ts: "2099-01-01T00:00:00Z", values: { end: 1 } }),
    { qos: 1 },
  );
  const rest = restClient(platform.http);
  for (;;) {
    const readings = await rest.readings(id);
    if (readings.at(-1)?.values["end"] === 1) {
      await client.endAsync();
      return readings.slice(0, -1).map(({ ts, values }) => [ts, values]);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const at = { ts: 1_700_000_000_000 };
const instant = "2023-11-14T22:13:20.000Z";

test("the same millisecond with different payloads: two rows", async () => {
  const rows = await stored("two", await device("two"), [[{ ...at, values: { a: 1 } }], [{ ...at, values: { a: 2 } }]]);
  assert.deepEqual(
    rows.map(([ts]) => ts),
    [instant, instant],
  );
  assert.deepEqual(new Set(rows.map(([, values]) => (values as { a: number }).a)), new Set([1, 2]));
});

test("the same message twice is one row", async () => {
  const message = { ...at, values: { a: 1 } };
  assert.deepEqual(await stored("one", await device("one"), [[message], [message]]), [[instant, { a: 1 }]]);
});

test("the same message twice inside an array is one row, and so is one alone and in an array", async () => {
  const message = { ...at, values: { a: 1, b: true } };
  const other = { ts: at.ts + 1000, values: { a: 1, b: true } };
  const rows = await stored("array", await device("array"), [
    [[message, message, other]],
    [message],
    [[other, message]],
  ]);
  assert.deepEqual(rows, [
    [instant, message.values],
    ["2023-11-14T22:13:21.000Z", other.values],
  ]);
});

test("with message ids of the device's own, equal payloads are two rows and a repeated id one", async () => {
  const values = { a: 1 };
  const byItem = await stored("ids", await device("ids"), [
    [{ ...at, id: "m1", values }],
    [{ ...at, id: "m2", values }],
    [{ ...at, id: "m1", values }],
  ]);
  assert.equal(byItem.length, 2);
  const byProperty = await stored("properties", await device("properties"), [
    [{ ...at, values }, { "message-id": "m1" }],
    [{ ...at, values }, { "message-id": "m2" }],
    [{ ...at, values }, { "message-id": "m1" }],
  ]);
  assert.equal(byProperty.length, 2);
});

test("equal payloads without a time are two readings, each at its arrival", async () => {
  const rows = await stored("clockless", await device("clockless", 4), [[{ a: 1 }], [{ a: 1 }]]);
  assert.equal(rows.length, 2);
});

test("microseconds are kept", async () => {
  const rows = await stored("micros", await device("micros"), [[{ ts: 1594598424.5023336, values: { a: 1 } }]]);
  assert.deepEqual(rows, [["2020-07-13T00:00:24.502334Z", { a: 1 }]]);
});
