import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import type { Edge } from "../../../services/mqtt-bridge/edge/edge.ts";
import { CredentialError, type DeviceKey } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import { Reason, Refusal } from "../../../services/mqtt-bridge/edge/reason.ts";
import { Platform, SECRET } from "./suite/platform.ts";
import type { Version } from "./suite/raw-client.ts";
import { DEVICE, nameOf, VERSIONS, WAIT } from "./suite/subject.ts";
import type { EdgeStart, Place, World } from "./world.ts";

const ONE: DeviceKey = { tenantId: "one", deviceId: "boiler-7" };
const TWO: DeviceKey = { tenantId: "two", deviceId: "boiler-7" };
const OTHER: DeviceKey = { tenantId: "default", deviceId: "boiler-8" };
const TELEMETRY = "devices/boiler-7/telemetry";
const CONFIG = "devices/boiler-7/config";
/** Long enough for what should not come. */
const QUIET_MS = 300;

const usernameOf = ({ tenantId, deviceId }: DeviceKey) => `${tenantId}/${deviceId}`;

/** A broker, a platform and an edge for one test. */
class Scene {
  readonly platform: Platform;
  readonly place: Place;
  readonly edge: Edge;
  readonly #t: TestContext;

  static async open(t: TestContext, world: World, options?: EdgeStart): Promise<Scene> {
    const platform = new Platform();
    const place = await world.open(t, platform);
    return new Scene(t, { platform, place, edge: await place.start(options) });
  }

  private constructor(t: TestContext, { platform, place, edge }: Pick<Scene, "platform" | "place" | "edge">) {
    this.#t = t;
    this.platform = platform;
    this.place = place;
    this.edge = edge;
  }

  /** A device's client that is connected. */
  async connect(device: DeviceKey, version: Version = 4, options: IClientOptions = {}): Promise<MqttClient> {
    const client = await mqtt.connectAsync(this.place.url(), {
      ...{ protocolVersion: version, reconnectPeriod: 0, connectTimeout: 5000 },
      ...{ username: usernameOf(device), clientId: usernameOf(device), password: SECRET },
      ...options,
    });
    client.on("error", () => {});
    this.#t.after(() => client.end(true));
    return client;
  }

  publish(client: MqttClient, device: DeviceKey, topic: string, text: string, options = {}) {
    return client.publishAsync(this.place.topic(device, topic), text, { qos: 1, ...options });
  }

  /** Subscribes; what comes is noted in the list. */
  async hear(client: MqttClient, device: DeviceKey, filter: string): Promise<string[]> {
    const heard: string[] = [];
    client.on("message", (_topic, payload) => heard.push(payload.toString()));
    await client.subscribeAsync(this.place.topic(device, filter), { qos: 1 });
    return heard;
  }
}

/** What every MQTT edge does, whatever broker the devices connect to. */
export function everyEdge(world: World): void {
  const { capabilities } = world;
  const versions = VERSIONS.filter((version) => version === 4 || capabilities["mqtt-5"]);

  test("an edge declares what the world expects of it", async (t) => {
    const { edge } = await Scene.open(t, world);
    assert.deepEqual(edge.capabilities, capabilities);
    assert.equal(edge.trouble, undefined);
    for (const url of edge.listening) assert.doesNotMatch(url, /@/);
  });

  for (const version of versions) {
    test(`${nameOf(version)}: what a device publishes comes once and in order, with its own topic, whatever the QoS`, async (t) => {
      const scene = await Scene.open(t, world);
      const client = await scene.connect(DEVICE, version);
      for (let n = 0; n < 50; n++) await scene.publish(client, DEVICE, TELEMETRY, `${n}`);
      await scene.publish(client, DEVICE, TELEMETRY, "q0", { qos: 0 });
      await t.waitFor(() => assert.equal(scene.platform.texts.length, 51), WAIT);
      assert.deepEqual(scene.platform.texts, [...Array.from({ length: 50 }, (_, n) => `${n}`), "q0"]);
      for (const { device, topic } of scene.platform.received)
        assert.deepEqual({ device, topic }, { device: "default/boiler-7", topic: TELEMETRY });
      const packets = new Set(scene.platform.received.map(({ arrival }) => arrival.packet));
      assert.equal(packets.size, 51, "each has a name of its own");
    });

    test(`${nameOf(version)}: two tenants with the same device id: each message is its own tenant's, in both directions`, async (t) => {
      const scene = await Scene.open(t, world);
      const [one, two] = [await scene.connect(ONE, version), await scene.connect(TWO, version)];
      const [heardOne, heardTwo] = [await scene.hear(one, ONE, CONFIG), await scene.hear(two, TWO, CONFIG)];
      await scene.publish(one, ONE, TELEMETRY, "from one");
      await scene.publish(two, TWO, TELEMETRY, "from two");
      await t.waitFor(() => assert.equal(scene.platform.received.length, 2), WAIT);
      assert.deepEqual(scene.platform.received.map(({ device, text }) => `${device} ${text}`).sort(), [
        "one/boiler-7 from one",
        "two/boiler-7 from two",
      ]);
      await scene.edge.deliver(ONE, CONFIG, Buffer.from("to one"));
      await scene.edge.deliver(TWO, CONFIG, Buffer.from("to two"));
      await t.waitFor(() => assert.deepEqual([heardOne, heardTwo], [["to one"], ["to two"]]), WAIT);
    });

    test(`${nameOf(version)}: what a device publishes to others' topics comes from nobody`, async (t) => {
      const scene = await Scene.open(t, world);
      for (const [device, topic] of [
        [TWO, TELEMETRY],
        [ONE, "devices/boiler-8/telemetry"],
        [ONE, "devices/boiler-7/commands/1/reboot"],
        [{ tenantId: "default", deviceId: "boiler-7" }, TELEMETRY],
      ] as const) {
        const outer = scene.place.topic(device, topic);
        // On the embedded edge a topic has no tenant: it is the device's own.
        if (outer === scene.place.topic(ONE, TELEMETRY)) continue;
        const client = await scene.connect(ONE, version);
        // Refused in the broker's way: by a reason code, by hanging up, or not at all.
        await Promise.race([client.publishAsync(outer, "stolen", { qos: 1 }).catch(() => {}), sleep(1000)]);
        await client.endAsync(true);
      }
      const client = await scene.connect(ONE, version);
      await scene.publish(client, ONE, TELEMETRY, "own");
      await t.waitFor(() => assert.ok(scene.platform.texts.includes("own")), WAIT);
      await sleep(QUIET_MS);
      assert.deepEqual(scene.platform.texts, ["own"]);
      assert.deepEqual(scene.platform.rejected, []);
    });

    test(`${nameOf(version)}: a device hears nothing of others, nor of what they publish, whatever it asks for`, async (t) => {
      const scene = await Scene.open(t, world);
      for (const filter of [
        "#",
        "+/devices/+/config",
        scene.place.topic(OTHER, "devices/boiler-8/config"),
        scene.place.topic(OTHER, "devices/boiler-8/telemetry"),
        "$share/ganglion/+/devices/+/telemetry",
      ]) {
        const spy = await scene.connect(ONE, version);
        const heard: string[] = [];
        spy.on("message", (_topic, payload) => heard.push(payload.toString()));
        await Promise.race([spy.subscribeAsync(filter, { qos: 1 }).catch(() => {}), sleep(1000)]);
        const other = await scene.connect(OTHER, version);
        await scene.publish(other, OTHER, "devices/boiler-8/telemetry", "secret");
        await scene.edge.deliver(OTHER, "devices/boiler-8/config", Buffer.from("secret"));
        await sleep(QUIET_MS);
        assert.deepEqual(heard, [], filter);
        await Promise.all([spy.endAsync(true), other.endAsync(true)]);
      }
      await t.waitFor(() => assert.equal(scene.platform.texts.length, 5), WAIT);
    });

    for (const [what, options] of [
      ["with a wrong password", { password: "wrong" }],
      ["without a password", { password: undefined }],
      ["as a device that there isn't", { username: "one/nobody", clientId: "one/nobody" }],
      ["as a device of a tenant that there isn't", { username: "three/boiler-7", clientId: "three/boiler-7" }],
      ["without a user name", { username: undefined, password: undefined }],
    ] as const)
      test(`${nameOf(version)}: a connection ${what} is refused`, async (t) => {
        const scene = await Scene.open(t, world);
        scene.platform.check = async ({ tenantId, deviceId }, secret) => {
          const known = tenantId !== "three" && deviceId !== "nobody" && secret === SECRET;
          if (!known) throw new CredentialError("not accepted");
        };
        await assert.rejects(scene.connect(ONE, version, options as unknown as IClientOptions));
      });

    test(`${nameOf(version)}: a current value is told to who subscribes later, and the next one to who is there`, async (t) => {
      const scene = await Scene.open(t, world);
      scene.platform.currentOf = (filter) => (filter === CONFIG ? "v1" : undefined);
      await scene.edge.setCurrent(ONE, CONFIG, Buffer.from("v1"));
      const client = await scene.connect(ONE, version);
      const heard = await scene.hear(client, ONE, CONFIG);
      await t.waitFor(() => assert.equal(heard.at(-1), "v1"), WAIT);
      scene.platform.currentOf = (filter) => (filter === CONFIG ? "v2" : undefined);
      await scene.edge.setCurrent(ONE, CONFIG, Buffer.from("v2"));
      await t.waitFor(() => assert.equal(heard.at(-1), "v2"), WAIT);
    });
  }

  if (capabilities["mqtt-5"])
    test("MQTT 5: content type and the user property message-id reach the platform", async (t) => {
      const scene = await Scene.open(t, world);
      const client = await scene.connect(DEVICE, 5);
      const properties = { contentType: "application/cbor", userProperties: { "message-id": "m-1" } };
      await scene.publish(client, DEVICE, TELEMETRY, "a", { properties });
      await t.waitFor(() => assert.equal(scene.platform.received.length, 1), WAIT);
      assert.partialDeepStrictEqual(scene.platform.received, [{ contentType: "application/cbor", messageId: "m-1" }]);
    });

  if (capabilities.kick)
    test("the connection of a device whose access is revoked is ended, and no other's", async (t) => {
      const scene = await Scene.open(t, world);
      const [one, two] = [await scene.connect(ONE), await scene.connect(TWO)];
      scene.place.revoke(ONE);
      scene.edge.disconnect(ONE);
      await t.waitFor(() => assert.equal(one.connected, false), WAIT);
      await scene.publish(two, TWO, TELEMETRY, "still here");
      await t.waitFor(() => assert.deepEqual(scene.platform.texts, ["still here"]), WAIT);
    });

  if (capabilities.presence)
    test("connections are told of", async (t) => {
      const scene = await Scene.open(t, world);
      const client = await scene.connect(ONE);
      await client.endAsync();
      await t.waitFor(() => assert.deepEqual(scene.platform.presence, ["connected 1", "disconnected 1 client"]), WAIT);
    });
  else
    test("that a device was heard of is told, once per interval, and nothing of its connection", async (t) => {
      const scene = await Scene.open(t, world, { seenIntervalMs: 200 });
      scene.platform.know = async () => ({ sessionEpoch: 3 });
      const client = await scene.connect(ONE);
      for (const text of ["a", "b"]) await scene.publish(client, ONE, TELEMETRY, text);
      await t.waitFor(() => assert.deepEqual(scene.platform.presence, ["seen 3"]), WAIT);
      await client.endAsync();
      await sleep(500);
      assert.deepEqual(scene.platform.presence, ["seen 3"]);
    });

  if (capabilities["shared-subscriptions"])
    test("several bridges share the messages: each is received once, and all have a part", async (t) => {
      const scene = await Scene.open(t, world);
      const { platform, place } = scene;
      const second = await place.start({ bridge: "second" });
      const client = await scene.connect(DEVICE);
      const texts = Array.from({ length: 400 }, (_, n) => `${n}`);
      await Promise.all(texts.map((text) => scene.publish(client, DEVICE, TELEMETRY, text)));
      await t.waitFor(() => assert.equal(platform.texts.length, 400), WAIT);
      await sleep(QUIET_MS);
      assert.deepEqual(
        platform.texts.map(Number).sort((a, b) => a - b),
        texts.map(Number),
      );
      const names = new Set(platform.received.map(({ arrival }) => arrival.packet.split("/").slice(0, 2).join("/")));
      assert.equal(names.size, 2, "both have received");
      assert.equal(second.trouble, undefined);
    });

  if (capabilities["shared-subscriptions"])
    test("of several bridges one goes away and comes back: what was its part meanwhile is not lost", async (t) => {
      const scene = await Scene.open(t, world);
      const { platform, place } = scene;
      await place.start({ bridge: "second" });
      const client = await scene.connect(DEVICE);
      const send = (texts: readonly string[]) =>
        Promise.all(texts.map((text) => scene.publish(client, DEVICE, TELEMETRY, text)));
      const texts = Array.from({ length: 300 }, (_, n) => `${n}`);
      await send(texts.slice(0, 100));
      await t.waitFor(() => assert.ok(platform.texts.length >= 100), WAIT);
      await scene.edge.close();
      await send(texts.slice(100, 200));
      await place.start();
      await send(texts.slice(200));
      // Some may come again: RabbitMQ may forget acknowledgements of who hangs up. Their names say that they are the same.
      await t.waitFor(() => assert.deepEqual(new Set(platform.texts), new Set(texts)), WAIT);
    });

  if (!capabilities["durable-acknowledgement"]) externalOnly(world);
}

/** Where the broker keeps a message until this edge acknowledges it. */
function externalOnly(world: World): void {
  test("a message that could not be stored is tried again until it is, and later ones of its device wait behind it", async (t) => {
    const { platform, ...scene } = await publishing(t, world);
    let away = true;
    const stored: string[] = [];
    platform.commit = async (text) => {
      if (away) throw new Error("the channel is away");
      stored.push(text);
      return undefined;
    };
    for (const text of ["a", "b", "c"]) await scene.send(text);
    await t.waitFor(() => assert.ok(platform.texts.length >= 4), WAIT);
    away = false;
    await t.waitFor(() => assert.deepEqual(stored, ["a", "b", "c"]), WAIT);
  });

  test("what no channel can ever take is kept as a rejected message", async (t) => {
    const { platform, ...scene } = await publishing(t, world);
    platform.commit = async () => {
      throw new Refusal(Reason.implementationSpecific, "the message can't be stored");
    };
    await scene.send("x");
    const expected = ["default/boiler-7 x the message can't be stored"];
    await t.waitFor(() => assert.deepEqual(platform.rejected, expected), WAIT);
  });

  test("what comes from a device that is suspended meanwhile is kept as a rejected message", async (t) => {
    const { platform, ...scene } = await publishing(t, world);
    platform.know = async () => ({ sessionEpoch: 1, refused: "the device is suspended" });
    scene.edge.disconnect(DEVICE);
    await scene.send("late");
    const expected = ["default/boiler-7 late the device is suspended"];
    await t.waitFor(() => assert.deepEqual(platform.rejected, expected), WAIT);
    assert.deepEqual(platform.texts, []);
  });

  test("while the registry does not answer nothing is lost", async (t) => {
    const { platform, ...scene } = await publishing(t, world);
    platform.know = async () => {
      throw new Error("no registry");
    };
    await scene.send("a");
    await sleep(QUIET_MS);
    assert.deepEqual(platform.texts, []);
    platform.know = async () => ({ sessionEpoch: 1 });
    await t.waitFor(() => assert.deepEqual(platform.texts, ["a"]), WAIT);
  });

  test("what was not stored when the edge stopped comes again to the next one; what was stored does not", async (t) => {
    assert.deepEqual(await cutOff(t, world), ["second", "third"]);
  });

  test("control: an edge that acknowledges before the message is stored is found out", async (t) => {
    const acknowledgeOrder: EdgeStart["acknowledgeOrder"] = (commit, acknowledge) => {
      acknowledge(undefined);
      commit().catch(() => {});
    };
    assert.deepEqual(await cutOff(t, world, { acknowledgeOrder }), []);
  });
}

/** A device that is connected. */
async function publishing(t: TestContext, world: World) {
  const scene = await Scene.open(t, world);
  const client = await scene.connect(DEVICE);
  const { platform, edge } = scene;
  return { platform, edge, send: (text: string) => scene.publish(client, DEVICE, TELEMETRY, text) };
}

/** Stops an edge with one message stored and two that wait for their commit. @returns what comes to its successor */
async function cutOff(t: TestContext, world: World, options: EdgeStart = {}): Promise<string[]> {
  const scene = await Scene.open(t, world, options);
  const { platform, place, edge } = scene;
  const client = await scene.connect(DEVICE);
  await scene.publish(client, DEVICE, TELEMETRY, "first");
  await t.waitFor(() => assert.deepEqual(platform.texts, ["first"]), WAIT);
  platform.hold = true;
  for (const text of ["second", "third"]) await scene.publish(client, DEVICE, TELEMETRY, text);
  await t.waitFor(() => assert.equal(platform.held.length, 2), WAIT);
  await edge.close();
  platform.hold = false;
  platform.received.length = 0;
  await place.start(options);
  await t.waitFor(() => assert.equal(platform.texts.length, 2), { timeout: 3000 }).catch(() => {});
  await sleep(QUIET_MS);
  return platform.texts;
}
