import { after } from "node:test";
import { connect } from "amqplib";
import { Authority } from "../../services/mqtt-bridge/broker-auth/authority.ts";
import { AuthListener } from "../../services/mqtt-bridge/broker-auth/listener.ts";
import type { Edge } from "../../services/mqtt-bridge/edge/edge.ts";
import { AmqpEdge } from "../../services/mqtt-bridge/edge/external/amqp-edge.ts";
import { mqttEdgeSuite } from "../ports/mqtt-edge/suite.ts";
import { startRabbitMqMqtt } from "../support/engines/rabbitmq-mqtt.ts";

const broker = await startRabbitMqMqtt();
// What a test leaves is another queue's.
let tests = 0;
after(() => broker.dispose());

mqttEdgeSuite({
  name: "RabbitMQ's plugin for MQTT",
  capabilities: {
    "mqtt-5": false,
    "shared-subscriptions": true,
    "http-authentication": true,
    kick: false,
    presence: false,
    "durable-acknowledgement": false,
  },
  async open(t, platform) {
    const queue = `uplink-${++tests}`;
    const edges: Edge[] = [];
    const authority = new Authority(platform, { username: "", password: "" }, (device, filter) => {
      for (const edge of edges) edge.subscribing?.(device, filter);
    });
    const listener = await AuthListener.open(authority, {
      ...{ host: "127.0.0.1", port: broker.authPort, secret: broker.authSecret, failed: () => {} },
    });
    t.after(async () => {
      for (const { fail } of platform.held) fail(new Error("the test is over"));
      await Promise.all(edges.map((edge) => edge.close()));
      await listener.close();
      await remove(queue);
    });
    return {
      url: () => broker.devices,
      async start({ bridge = "first", ...options } = {}) {
        const edge = await AmqpEdge.start(platform, {
          ...{ url: broker.url, bridge, queue, httpAuthentication: true, log: () => {} },
          ...options,
        });
        edges.push(edge);
        return edge;
      },
      topic: ({ tenantId }, topic) => `${tenantId}/${topic}`,
      revoke: () => {},
    };
  },
});

async function remove(queue: string): Promise<void> {
  const connection = await connect(broker.url);
  const channel = await connection.createChannel();
  await channel.deleteQueue(queue);
  await channel.deleteQueue(`${queue}.dead`);
  await connection.close();
}
