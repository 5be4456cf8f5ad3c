import { brokerHashOf } from "../../services/device-registry/credential.ts";
import type { Edge } from "../../services/mqtt-bridge/edge/edge.ts";
import { BrokerFiles } from "../../services/mqtt-bridge/edge/external/broker-files.ts";
import { MosquittoEdge } from "../../services/mqtt-bridge/edge/external/mosquitto-edge.ts";
import { SECRET } from "../ports/mqtt-edge/suite/platform.ts";
import { mqttEdgeSuite } from "../ports/mqtt-edge/suite.ts";
import { DEVICES } from "../ports/mqtt-edge/world.ts";
import { startMosquitto } from "../support/engines/mosquitto.ts";

const hash = brokerHashOf(SECRET);

mqttEdgeSuite({
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
        const edge = await MosquittoEdge.start(platform, { url, bridge, files, log, ...options });
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
});
