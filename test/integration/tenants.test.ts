import assert from "node:assert/strict";
import { after, test } from "node:test";
import mqtt from "mqtt";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import mqttBridge from "../../services/mqtt-bridge/mqtt-bridge.service.ts";
import store from "../../services/telemetry/consumers/store.service.ts";
import telemetry from "../../services/telemetry/telemetry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { broker, call, stop } = await startBroker([deviceRegistry, mqttBridge, store, telemetry]);
after(stop);

/** Address of the bridge in this process. */
function mqttUrl(): string {
  const { listening } = broker.getLocalService("mqtt-bridge") as unknown as { listening: string[] };
  return listening.find((url) => url.startsWith("mqtt:")) as string;
}

test("two devices of one id in two tenants are apart: credentials, connections, readings", async (t) => {
  const secrets: Record<string, string> = {};
  for (const tenant of ["default", "acme"]) {
    await call("device-registry.register", { id: "twin" }, as(tenant));
    secrets[tenant] = (await call("device-registry.issueCredential", { deviceId: "twin" }, as(tenant))).secret;
  }
  const connect = (username: string, password: string | undefined) =>
    mqtt.connectAsync(mqttUrl(), { username, password: password as string, clientId: "same", reconnectPeriod: 0 });
  await assert.rejects(
    connect("acme/twin", secrets["default"]),
    /Not authorized|Bad User Name or Password|Connection refused/i,
  );
  const ours = await connect("twin", secrets["default"]);
  const theirs = await connect("acme/twin", secrets["acme"]);
  const message = (n: number) => JSON.stringify({ ts: 1_700_000_000_000, values: { n } });
  await ours.publishAsync("devices/twin/telemetry", message(1), { qos: 1 });
  await theirs.publishAsync("devices/twin/telemetry", message(2), { qos: 1 });
  await ours.publishAsync("devices/me/telemetry", message(3), { qos: 1 });
  const read = async (tenant: string) => {
    const { items } = await call("telemetry.readings", { deviceId: "twin" }, as(tenant));
    return items.map((item) => ("values" in item ? item.values["n"] : undefined)).sort();
  };
  await t.waitFor(async () => assert.deepEqual([await read("default"), await read("acme")], [[1, 3], [2]]), {
    timeout: 10_000,
  });
  assert.ok(ours.connected && theirs.connected, "neither took the other's connection over");
  await Promise.all([ours.endAsync(), theirs.endAsync()]);
});
