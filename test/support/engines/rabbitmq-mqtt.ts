import { freePort, reachable } from "./process.ts";
import { type RabbitMq, startRabbitMq } from "./rabbitmq.ts";

export interface RabbitMqMqtt extends RabbitMq {
  /** `mqtt://127.0.0.1:PORT` for devices. */
  devices: string;
  /** Port at which it asks. */
  authPort: number;
  authSecret: string;
  /** Variables of a platform that has its devices here. */
  env: Record<"MQTT_URL" | "MQTT_AUTH_PORT" | "MQTT_AUTH_SECRET", string>;
}

/** A RabbitMQ of its own with its plugin for MQTT, as docs/mqtt.md wants it: who a device is it asks at `authPort`. */
export async function startRabbitMqMqtt(config = ""): Promise<RabbitMqMqtt> {
  const [mqttPort, authPort] = [await freePort(), await freePort()];
  const authSecret = "a-secret-for-the-tests";
  const path = `http://127.0.0.1:${authPort}/${authSecret}/rabbitmq`;
  const lines = [
    `mqtt.listeners.tcp.1 = 127.0.0.1:${mqttPort}`,
    "mqtt.allow_anonymous = false",
    "auth_backends.1 = internal",
    "auth_backends.2 = http",
    "auth_http.http_method = post",
    ...["user", "vhost", "resource", "topic"].map((kind) => `auth_http.${kind}_path = ${path}/${kind}`),
    config,
  ];
  const broker = await startRabbitMq(`${lines.join("\n")}\n`, ["rabbitmq_mqtt", "rabbitmq_auth_backend_http"]);
  await reachable(mqttPort);
  const { start } = broker;
  return Object.assign(broker, {
    devices: `mqtt://127.0.0.1:${mqttPort}`,
    ...{ authPort, authSecret },
    env: { MQTT_URL: broker.url, MQTT_AUTH_PORT: String(authPort), MQTT_AUTH_SECRET: authSecret },
    async start() {
      await start();
      await reachable(mqttPort);
    },
  });
}
