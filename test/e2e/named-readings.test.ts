import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import mqtt from "mqtt";
import { deafProxy } from "../support/deaf-proxy.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { type RestClient, restClient } from "../support/rest.ts";

/** How a device says which reading it is, without a time: in MQTT 5 beside the payload, in MQTT 3.1.1 in it. */
const SENDERS = {
  "MQTT 5, message-id": {
    protocolVersion: 5,
    payload: (value: number) => ({ t: value }),
    options: (name: string) => ({ properties: { userProperties: { "message-id": name } } }),
  },
  "MQTT 3.1.1, id": {
    protocolVersion: 4,
    payload: (value: number, name: string) => ({ values: { t: value }, id: name }),
    options: () => ({}),
  },
} as const;
type Sender = (typeof SENDERS)[keyof typeof SENDERS];

const start = async (t: TestContext, options?: Parameters<typeof startPlatform>[0]) => {
  const platform = await startPlatform(options);
  t.after(() => platform.kill());
  return platform;
};

/** Waits until the device has so many readings. */
async function readingsOf(t: TestContext, rest: RestClient, id: string, count: number) {
  let readings: Awaited<ReturnType<RestClient["readings"]>> = [];
  await t.waitFor(
    async () => {
      readings = await rest.readings(id);
      assert.ok(readings.length >= count, `${readings.length} readings`);
    },
    { timeout: 10_000, interval: 20 },
  );
  return readings;
}

const latestOf = async (rest: RestClient, id: string) => {
  const { metrics } = (await rest.request("GET", `/v1/devices/${id}/latest`)) as {
    metrics: Record<string, { ts: string; value: unknown }>;
  };
  return metrics;
};

/**
 * Two readings whose PUBACKs get lost, which the device then sends again over a new connection, and a third; with what was
 * stored before and after.
 */
async function resent(t: TestContext, sender: Sender, { killed = false, env = {} }) {
  const { protocolVersion, payload, options } = sender;
  let platform: Platform = await start(t, { env });
  const rest = restClient(platform.http);
  await rest.register("clockless");
  const password = await rest.credential("clockless");
  const way = await deafProxy(platform.mqtt);
  t.after(() => way.close());
  // Clean: nothing of the session tells that it is the same message.
  const client = await mqtt.connectAsync(way.url, {
    ...{ username: "clockless", password, protocolVersion, clean: true, reconnectPeriod: 100 },
  });
  t.after(() => client.endAsync(true));
  const publish = (value: number, name: string) =>
    client.publishAsync("devices/me/telemetry", JSON.stringify(payload(value, name)), { qos: 1, ...options(name) });

  way.loseAnswers();
  const acknowledged = Promise.all([publish(1, "m-1"), publish(2, "m-2")]);
  const before = await readingsOf(t, rest, "clockless", 2);
  if (killed) {
    await platform.kill("SIGKILL");
    platform = await start(t, { dataDir: platform.dataDir, env: { ...env, ...platform.addresses } });
  }
  way.cut();
  await acknowledged;
  await publish(3, "m-3");
  // Stored in order: where the third is, those before it are.
  let after = before;
  await t.waitFor(
    async () => {
      after = await rest.readings("clockless");
      assert.equal(after.at(-1)?.values["t"], 3);
    },
    { timeout: 10_000 },
  );
  return { rest, before, after };
}

for (const [name, sender] of Object.entries(SENDERS))
  for (const killed of [false, true])
    test(`${name}: readings without a time whose PUBACKs were lost are stored once, at their first arrival${killed ? ", over a SIGKILL too" : ""}`, {
      timeout: 60_000,
    }, async (t) => {
      const { rest, before, after } = await resent(t, sender, { killed });
      assert.deepEqual(after.slice(0, -1), before);
      await t.waitFor(
        async () => assert.deepEqual((await latestOf(rest, "clockless"))["t"], { ts: after[2]?.ts, value: 3 }),
        { timeout: 10_000 },
      );
    });

test("where names are not kept (READING_NAME_HOURS=0), the same readings are stored twice", async (t) => {
  const { after } = await resent(t, SENDERS["MQTT 5, message-id"], { env: { READING_NAME_HOURS: "0" } });
  assert.deepEqual(after.map(({ values }) => values["t"]).sort(), [1, 1, 2, 2, 3]);
});

test("a reading by REST with an id and no time is stored once; sent again after others it is not the latest value", async (t) => {
  const rest = restClient((await start(t)).http);
  await rest.register("by-rest");
  const write = (...readings: object[]) => rest.request("POST", "/v1/devices/by-rest/readings", { readings });
  const named = (id: string | number, t: number) => ({ id, values: { t } });
  await write(named("a", 1), named(7, 2));
  const first = await readingsOf(t, rest, "by-rest", 2);
  await write(named("b", 3));
  await write(named("a", 1));
  await write(named(7, 2), named("c", 4));
  const readings = await readingsOf(t, rest, "by-rest", 4);
  assert.deepEqual(
    readings.filter(({ ts }) => ts === first[0]?.ts),
    first,
  );
  assert.deepEqual(readings.map(({ values }) => Number(values["t"])).sort(), [1, 2, 3, 4]);
  const newest = readings.find(({ values }) => values["t"] === 4);
  await t.waitFor(async () => assert.deepEqual((await latestOf(rest, "by-rest"))["t"], { ts: newest?.ts, value: 4 }), {
    timeout: 10_000,
  });
});
