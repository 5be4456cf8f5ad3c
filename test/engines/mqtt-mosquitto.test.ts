import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt from "mqtt";
import type { Device } from "../../schemas/device.ts";
import { startMosquitto } from "../support/engines/mosquitto.ts";
import { mosquittoPub } from "../support/mosquitto-pub.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 20_000 };

test("a device at mosquitto: registered by REST, its telemetry readable by REST; suspended it may not connect", async (t) => {
  const broker = await startMosquitto();
  t.after(() => broker.dispose());
  const platform = await startPlatform({ env: broker.env });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  await rest.register("boiler-7");
  const secret = await rest.credential("boiler-7");
  const topic = "default/devices/boiler-7/telemetry";
  const send = (...lines: string[]) => mosquittoPub(broker.devices, "boiler-7", secret, topic, lines);
  await t.waitFor(async () => assert.equal(await send(`{"ts":"2026-01-01T00:00:00Z","values":{"t":1}}`), 0), WAIT);
  await send(`{"ts":"2026-01-01T00:00:01Z","values":{"t":2}}`, `{"ts":"2026-01-01T00:00:02Z","values":{"t":3}}`);
  await t.waitFor(async () => {
    const readings = await rest.readings("boiler-7");
    assert.deepEqual(
      readings.map(({ values }) => values["t"]),
      [1, 2, 3],
    );
  }, WAIT);
  await rest.request("PATCH", "/v1/devices/boiler-7", { status: "suspended" });
  await t.waitFor(async () => assert.notEqual(await send("{}"), 0), WAIT);
  assert.equal((await platform.stop()).code, 0);
  assert.doesNotMatch(platform.output(), /bridge-secret/);
});

test("a configuration that is set while mosquitto is away is the device's when it is back", async (t) => {
  const broker = await startMosquitto();
  t.after(() => broker.dispose());
  const platform = await startPlatform({ env: broker.env });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  // A colon cannot be in a password file: in the user name it is written %3A.
  await rest.register("hall:7");
  const password = await rest.credential("hall:7");
  await t.waitFor(() => assert.match(readFileSync(broker.passwordFile, "utf8"), /^hall%3A7:/m), WAIT);
  await rest.request("PUT", "/v1/devices/hall:7/config", { config: { interval: 60 } });
  await broker.kill();
  const ready = async () => (await fetch(`${platform.http}/health/ready`)).text();
  await t.waitFor(async () => assert.match(await ready(), /MQTT broker: /), WAIT);
  assert.doesNotMatch(await ready(), /bridge-secret/);
  await rest.request("PUT", "/v1/devices/hall:7/config", { config: { interval: 30 } });
  await broker.start();
  const client = await mqtt.connectAsync(broker.devices, { username: "hall%3A7", password, reconnectPeriod: 0 });
  t.after(() => client.end(true));
  const told: string[] = [];
  client.on("message", (_topic, payload) => told.push(payload.toString()));
  await client.subscribeAsync("default/devices/hall:7/config", { qos: 1 });
  await t.waitFor(() => assert.equal(told.at(-1), `{"version":2,"config":{"interval":30}}`), WAIT);
  await client.publishAsync("default/devices/hall:7/status", `{"battery":80}`, { qos: 1 });
  await t.waitFor(async () => {
    const { connection, reportedStatus } = (await rest.request("GET", "/v1/devices/hall:7")) as Device;
    assert.deepEqual(reportedStatus?.status, { battery: 80 });
    assert.partialDeepStrictEqual(connection, { connected: null });
    assert.equal(connection?.connectedAt, undefined);
  }, WAIT);
  for (const connected of ["true", "false"])
    assert.deepEqual(await rest.request("GET", `/v1/devices?connected=${connected}`), { items: [] });
});

test("of a device that is deleted mosquitto keeps no configuration: another with the same id is told nothing", async (t) => {
  const broker = await startMosquitto();
  t.after(() => broker.dispose());
  const platform = await startPlatform({ env: broker.env });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  /** What a new client of the device is told at once. */
  const told = async () => {
    const password = await rest.credential("boiler-7");
    const connect = () => mqtt.connectAsync(broker.devices, { username: "boiler-7", password, reconnectPeriod: 0 });
    await t.waitFor(async () => (await connect()).endAsync(true), WAIT);
    const client = await connect();
    const messages: string[] = [];
    client.on("message", (_topic, payload) => messages.push(payload.toString()));
    await client.subscribeAsync("default/devices/boiler-7/config", { qos: 1 });
    await sleep(500);
    await client.endAsync(true);
    return messages;
  };
  await rest.register("boiler-7");
  await rest.request("PUT", "/v1/devices/boiler-7/config", { config: { secret: 1 } });
  assert.deepEqual(await told(), [`{"version":1,"config":{"secret":1}}`]);
  await rest.request("DELETE", "/v1/devices/boiler-7");
  await sleep(1000);
  await rest.register("boiler-7");
  assert.deepEqual(await told(), []);
});

test("what the edge needs and the broker has not is told at the start, by name", async (t) => {
  const broker = await startMosquitto();
  t.after(() => broker.dispose());
  const env = { ...broker.env, MQTT_REQUIRE: "kick,presence,durable-acknowledgement" };
  await assert.rejects(
    startPlatform({ env }),
    /MQTT_REQUIRE: this MQTT broker has no presence, no durable-acknowledgement/,
  );
});
