import assert from "node:assert/strict";
import { test } from "node:test";
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
