import assert from "node:assert/strict";
import { test } from "node:test";
import mqtt from "mqtt";
import { startRabbitMqMqtt } from "../support/engines/rabbitmq-mqtt.ts";
import { mosquittoPub } from "../support/mosquitto-pub.ts";
import { startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const WAIT = { timeout: 20_000 };

test("a device at RabbitMQ: registered by REST, its telemetry readable by REST, its configuration brought to it; suspended it may not connect", async (t) => {
  const broker = await startRabbitMqMqtt();
  t.after(() => broker.dispose());
  const platform = await startPlatform({ env: broker.env });
  t.after(() => platform.kill());
  const rest = restClient(platform.http);
  await rest.register("boiler-7");
  const secret = await rest.credential("boiler-7");
  const topic = "default/devices/boiler-7/telemetry";
  const send = (...lines: string[]) => mosquittoPub(broker.devices, "boiler-7", secret, topic, lines);
  assert.equal(await send(`{"ts":"2026-01-01T00:00:00Z","values":{"t":1}}`), 0);
  await send(`{"ts":"2026-01-01T00:00:01Z","values":{"t":2}}`, `{"ts":"2026-01-01T00:00:02Z","values":{"t":3}}`);
  await t.waitFor(async () => {
    const readings = await rest.readings("boiler-7");
    assert.deepEqual(
      readings.map(({ values }) => values["t"]),
      [1, 2, 3],
    );
  }, WAIT);
  await rest.request("PUT", "/v1/devices/boiler-7/config", { config: { interval: 60 } });
  const client = await mqtt.connectAsync(broker.devices, {
    ...{ clientId: "boiler-7@config", username: "boiler-7", password: secret, reconnectPeriod: 0 },
  });
  t.after(() => client.end(true));
  const told: string[] = [];
  client.on("message", (_topic, payload) => told.push(payload.toString()));
  await client.subscribeAsync("default/devices/boiler-7/config", { qos: 1 });
  await t.waitFor(() => assert.deepEqual(told, [`{"version":1,"config":{"interval":60}}`]), WAIT);
  await rest.request("PUT", "/v1/devices/boiler-7/config", { config: { interval: 30 } });
  await t.waitFor(() => assert.equal(told.at(-1), `{"version":2,"config":{"interval":30}}`), WAIT);
  await rest.request("PATCH", "/v1/devices/boiler-7", { status: "suspended" });
  assert.notEqual(await send("{}"), 0);
  assert.equal((await platform.stop()).code, 0);
  assert.doesNotMatch(platform.output(), /guest:guest|a-secret-for-the-tests/);
});
