import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ServiceSchema } from "moleculer";
import type { IPublishPacket } from "mqtt-packet";
import type { DeviceEvent } from "../../schemas/device-events.ts";
import type { RejectedMessage } from "../../schemas/telemetry.ts";
import mqttBridge from "../../services/mqtt-bridge/mqtt-bridge.service.ts";
import { RawClient, type Version } from "../ports/mqtt-edge/suite/raw-client.ts";
import {
  connectPacket,
  kept,
  nameOf,
  publishPacket,
  subscribePacket,
  VERSIONS,
} from "../ports/mqtt-edge/suite/subject.ts";
import { startBroker } from "../support/broker.ts";

const WAIT = { timeout: 10_000 };
const ID = "boiler-7";
const CONFIG = "devices/me/config";

/** The bridge on real channels, with a registry that the test holds. */
async function bridge(t: TestContext, env: Record<string, string> = {}) {
  const events: DeviceEvent[] = [];
  const rejected: RejectedMessage[] = [];
  const registry = {
    epoch: 0,
    version: 1,
    config: (): object | null => ({ version: registry.version, config: { interval: registry.version * 10 } }),
    asked: [] as unknown[],
  };
  const { broker, stop } = await startBroker(
    [
      mqttBridge,
      {
        name: "device-registry",
        actions: {
          authenticate: () => ({ tenantId: "default", deviceId: ID, sessionEpoch: ++registry.epoch }),
          config(ctx) {
            registry.asked.push([ctx.params, (ctx.meta as { tenantId?: string }).tenantId]);
            return registry.config() as never;
          },
        },
      },
      {
        name: "witness",
        facts: {
          "device.events": {
            group: "witness",
            batch: { size: 100 },
            handler: ({ params }: { params: DeviceEvent[] }) => void events.push(...params),
          },
          "telemetry.rejected": {
            group: "witness",
            batch: { size: 100 },
            handler: ({ params }: { params: RejectedMessage[] }) => void rejected.push(...params),
          },
        },
      } as ServiceSchema,
    ],
    env,
  );
  const clients: RawClient[] = [];
  t.after(async () => {
    for (const client of clients) client.cut();
    await stop();
  });
  const { listening } = broker.getLocalService("mqtt-bridge") as unknown as { listening: string[] };
  const connect = async (version: Version, fields: Parameters<typeof connectPacket>[1] = {}) => {
    const client = new RawClient(listening[0] as string, version);
    clients.push(client);
    client.send(connectPacket(version, fields));
    assert.deepEqual(await client.answers(1), ["connack"]);
    return client;
  };
  return { broker, events, rejected, registry, connect };
}

const configOf = (packet: unknown) => {
  const { topic, payload, qos, retain } = packet as IPublishPacket;
  return { topic, qos, retain, ...(JSON.parse(String(payload)) as object) };
};

for (const version of VERSIONS) {
  test(`${nameOf(version)}: connection, status, heartbeat and end of a device are facts with its epoch`, async (t) => {
    const { events, rejected, connect } = await bridge(t);
    const client = await connect(version, { keepalive: 60 });
    client.send(
      publishPacket(1, '{"battery":0.4}', { topic: "devices/me/status" }),
      publishPacket(2, "any", { topic: "devices/boiler-7/heartbeat", qos: 2 }),
      publishPacket(3, "[]", { topic: "devices/me/status" }),
    );
    const refused = version === 5 ? "puback 3 0x99" : "puback 3";
    assert.deepEqual(await client.answers(3), ["puback 1", "pubrec 2", refused]);
    client.send({ cmd: "disconnect" });
    await t.waitFor(() => assert.equal(events.length, 4), WAIT);
    const device = { tenantId: "default", deviceId: ID, sessionEpoch: 1 };
    assert.deepEqual(
      events.map(({ at, ...event }) => event),
      [
        { ...device, kind: "connected", protocol: "mqtt", keepAliveSeconds: 60 },
        { ...device, kind: "status", status: { battery: 0.4 } },
        { ...device, kind: "heartbeat" },
        { ...device, kind: "disconnected", reason: "client" },
      ],
    );
    for (const { at } of events) assert.ok(Math.abs(at / 1000 - Date.now()) < 60_000);
    await t.waitFor(() => assert.equal(rejected[0]?.reason, "payload: must be a JSON object"), WAIT);
  });

  test(`${nameOf(version)}: PINGREQ is a sign of life`, async (t) => {
    const { events, connect } = await bridge(t, { MQTT_SEEN_SECONDS: "1" });
    const client = await connect(version);
    client.send({ cmd: "pingreq" });
    await t.waitFor(() => assert.ok(events.some(({ kind }) => kind === "seen")), WAIT);
  });

  test(`${nameOf(version)}: a new subscription begins with the current configuration, as retained message; a new version follows`, async (t) => {
    const { broker, registry, connect } = await bridge(t);
    const client = await connect(version);
    client.send(subscribePacket(1, CONFIG));
    assert.deepEqual(await client.answers(1), ["suback 1"]);
    const first = { topic: CONFIG, qos: 1, retain: true, version: 1, config: { interval: 10 } };
    assert.deepEqual(configOf(await client.next()), first);
    assert.deepEqual(registry.asked, [[{ deviceId: ID }, "default"]]);
    registry.version = 2;
    await broker.broadcast("device.config-changed", { tenantId: "default", deviceId: ID });
    const second = { topic: CONFIG, qos: 1, retain: false, version: 2, config: { interval: 20 } };
    assert.deepEqual(configOf(await client.next()), second);
  });

  test(`${nameOf(version)}: a new configuration waits for a session that is away; nothing comes where there is none`, async (t) => {
    const { broker, registry, connect } = await bridge(t);
    registry.config = () => null;
    const client = await connect(version, kept(version));
    client.send(subscribePacket(1, CONFIG));
    await client.next();
    assert.deepEqual(await client.early(), []);
    client.send({ cmd: "disconnect" });
    assert.equal(await client.next(), "closed");
    registry.config = () => ({ version: 7, config: {} });
    await broker.broadcast("device.config-changed", { tenantId: "default", deviceId: ID });
    const resumed = await connect(version, kept(version));
    assert.deepEqual(configOf(await resumed.next()), { topic: CONFIG, qos: 1, retain: false, version: 7, config: {} });
  });

  test(`${nameOf(version)}: a registry that is away for a moment is asked again`, async (t) => {
    const { registry, connect } = await bridge(t);
    registry.config = () => {
      registry.config = () => ({ version: 3, config: {} });
      throw new Error("down");
    };
    const client = await connect(version);
    client.send(subscribePacket(1, CONFIG));
    await client.next();
    assert.partialDeepStrictEqual(configOf(await client.next()), { version: 3 });
  });

  test(`${nameOf(version)}: a device whose access is revoked is disconnected`, async (t) => {
    const { broker, connect, events } = await bridge(t);
    const client = await connect(version);
    await broker.broadcast("device.access-revoked", { tenantId: "default", deviceId: ID });
    assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x98", "closed"] : ["closed"]);
    await t.waitFor(() => assert.partialDeepStrictEqual(events[1], { kind: "disconnected", reason: "server" }), WAIT);
  });
}

test("MQTT 5: Retain Handling decides whether a subscription begins with the configuration (MQTT-3.3.1-9 to -11)", async (t) => {
  const { connect } = await bridge(t);
  const client = await connect(5);
  const subscribe = async (messageId: number, rh: 0 | 1 | 2) => {
    client.send({
      ...{ cmd: "subscribe", messageId, properties: { subscriptionIdentifier: 5 } },
      subscriptions: [{ topic: CONFIG, qos: 1, rh }],
    });
    await client.next();
  };
  await subscribe(1, 2);
  assert.deepEqual(await client.early(), [], "never");
  await subscribe(2, 1);
  assert.deepEqual(await client.early(), [], "the subscription is not new");
  await subscribe(3, 0);
  const packet = (await client.next()) as IPublishPacket;
  assert.deepEqual([packet.properties?.subscriptionIdentifier].flat(), [5]);
});
