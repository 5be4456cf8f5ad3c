import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connectAsync } from "mqtt";
import { brokerHashOf } from "../../services/device-registry/credential.ts";
import type { Edge } from "../../services/mqtt-bridge/edge/edge.ts";
import type { DeviceKey } from "../../services/mqtt-bridge/edge/edge-policy.ts";
import { BrokerFiles } from "../../services/mqtt-bridge/edge/external/broker-files.ts";
import { MosquittoEdge } from "../../services/mqtt-bridge/edge/external/mosquitto-edge.ts";
import { Platform, SECRET } from "../ports/mqtt-edge/suite/platform.ts";
import { WAIT } from "../ports/mqtt-edge/suite/subject.ts";
import { mqttEdgeSuite } from "../ports/mqtt-edge/suite.ts";
import { DEVICES, type World } from "../ports/mqtt-edge/world.ts";
import { startMosquitto } from "../support/engines/mosquitto.ts";

const hash = brokerHashOf(SECRET);

const mosquitto: World = {
  name: "mosquitto",
  capabilities: {
    "mqtt-5": true,
    "shared-subscriptions": true,
    "http-authentication": false,
    kick: true,
    presence: false,
    "durable-acknowledgement": false,
  },
  async open(t, platform) {
    const broker = await startMosquitto();
    const edges: Edge[] = [];
    t.after(async () => {
      for (const { fail } of platform.held) fail(new Error("the test is over"));
      await Promise.all(edges.map((edge) => edge.close()));
      await broker.dispose();
    });
    const folder = mkdtempSync(join(tmpdir(), "ganglion-mosquitto-edge-"));
    t.after(() => rmSync(folder, { recursive: true, maxRetries: 3 }));
    let accounts = DEVICES.map((device) => ({ ...device, hash }));
    const { url, passwordFile, aclFile, pidFile } = broker;
    const log = () => {};
    return {
      url: () => broker.devices,
      async start({ bridge = "first", ...options } = {}) {
        const files = new BrokerFiles({
          ...{ url, passwordFile, aclFile, pidFile, refreshMs: 60_000, log },
          async *accounts() {
            yield accounts;
          },
        });
        const arrivalsFile = join(folder, `${bridge}.db`);
        const edge = await MosquittoEdge.start(platform, { url, bridge, files, arrivalsFile, log, ...options });
        edges.push(edge);
        return edge;
      },
      topic: ({ tenantId }, topic) => `${tenantId}/${topic}`,
      revoke(device) {
        accounts = accounts.filter(
          ({ tenantId, deviceId }) => tenantId !== device.tenantId || deviceId !== device.deviceId,
        );
      },
    };
  },
};

mqttEdgeSuite(mosquitto);

test("a message without time and name that was not acknowledged comes again as the same, to the bridge that had it", async (t) => {
  const platform = new Platform();
  const place = await mosquitto.open(t, platform);
  const edge = await place.start();
  const device = DEVICES[0] as DeviceKey;
  const username = `${device.tenantId}/${device.deviceId}`;
  const client = await connectAsync(place.url(), { username, password: SECRET, reconnectPeriod: 0 });
  t.after(() => client.end(true));
  platform.hold = true;
  const topic = place.topic(device, "devices/boiler-7/telemetry");
  // Equal ones, too, are told apart.
  for (let n = 0; n < 3; n++) await client.publishAsync(topic, "{}", { qos: 1 });
  await t.waitFor(() => assert.equal(platform.held.length, 3), WAIT);
  const first = platform.received.splice(0).map(({ arrival }) => arrival);
  assert.equal(new Set(first.map(({ packet }) => packet)).size, 3);
  await edge.close();
  platform.hold = false;
  await place.start();
  await t.waitFor(() => assert.equal(platform.received.length, 3), WAIT);
  assert.deepEqual(
    platform.received.map(({ arrival }) => arrival),
    first,
  );
});
