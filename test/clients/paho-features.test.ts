import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Delivery } from "../ports/mqtt-edge/deliver-hook.ts";
import { makeCertificate } from "../support/certificate.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { type RestClient, restClient } from "../support/rest.ts";
import { Paho, withoutPaho } from "./paho-session.ts";

const hook = `--import=${new URL("../ports/mqtt-edge/deliver-hook.ts", import.meta.url).href}`;
/** So long nothing must come. */
const QUIET_SECONDS = 0.3;

describe("paho-mqtt", { skip: withoutPaho }, () => {
  let platform: Platform;
  let rest: RestClient;
  let paho: Paho;
  let folder: string;
  let ca: string;
  let number = 0;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "ganglion-paho-"));
    const { certFile, keyFile } = makeCertificate(folder);
    ca = certFile;
    platform = await startPlatform({
      nodeOptions: [hook],
      env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, MQTT_SESSION_SECONDS_MAX: "100", LOG_LEVEL: "error" },
    });
    rest = restClient(platform.http);
    paho = new Paho();
  });
  after(async () => {
    paho?.end();
    await platform?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A registered device, and how a paho client of it is told to connect. */
  async function device(version: string) {
    const id = `paho-${++number}`;
    await rest.register(id);
    const password = await rest.credential(id);
    const credential = { username: id, password };
    const connect = (name: string, fields: object = {}) =>
      paho.connect(name, { url: platform.mqtt, version, ...credential, clientId: `c-${id}`, ...fields });
    const deliver = async (topic: string, text: string, fields: Partial<Delivery> = {}) => {
      const door = /^deliver (\S+)$/m.exec(platform.output())?.[1] as string;
      const body = JSON.stringify({ deviceId: id, topic: `devices/${id}/${topic}`, text, qos: 1, ...fields });
      assert.equal((await fetch(door, { method: "POST", body })).status, 204);
    };
    const readings = async (count: number) => {
      for (const deadline = Date.now() + 10_000; ; await sleep(50)) {
        const found = await rest.readings(id);
        if (found.length >= count || Date.now() > deadline) return found.map(({ values }) => values);
      }
    };
    return { id, connect, deliver, readings };
  }
  const kept = (version: string, seconds = 60) =>
    version === "5" ? { clean: false, properties: { SessionExpiryInterval: seconds } } : { clean: false };

  for (const version of ["3.1.1", "5"]) {
    for (const scheme of ["mqtt", "ws", "mqtts"])
      test(`MQTT ${version} over ${scheme}: telemetry of each QoS is acknowledged and stored`, async () => {
        const { connect, readings } = await device(version);
        const connack = await connect("c", { url: platform.urls[scheme], ...(scheme === "mqtts" ? { ca } : {}) });
        assert.equal(connack.code, 0);
        for (const qos of [0, 1, 2]) {
          const { codes } = await paho.publish("c", { topic: "devices/me/telemetry", payload: `{"q":${qos}}`, qos });
          assert.deepEqual(codes, [0]);
        }
        await paho.tell("disconnect", "c");
        assert.deepEqual((await readings(3)).map(({ q }) => q).sort(), [0, 1, 2]);
      });

    test(`MQTT ${version}: a session is resumed with its subscriptions and what was queued, over a kill of the platform`, async () => {
      const { connect, deliver } = await device(version);
      assert.equal((await connect("s", kept(version))).present, false);
      await paho.subscribe("s", [{ topic: "devices/me/config", qos: 2 }]);
      await paho.tell("disconnect", "s");
      await deliver("config", "one");
      await deliver("config", "two", { qos: 2 });
      const { addresses, dataDir } = platform;
      await platform.kill("SIGKILL");
      const env = { TLS_CERT_FILE: ca, TLS_KEY_FILE: join(folder, "key.pem"), MQTT_SESSION_SECONDS_MAX: "100" };
      platform = await startPlatform({
        nodeOptions: [hook],
        dataDir,
        env: { ...env, LOG_LEVEL: "error", ...addresses },
      });
      assert.equal((await connect("s", kept(version))).present, true);
      const messages = await paho.messages("s", 2);
      assert.deepEqual(
        messages.map(({ topic, payload, qos }) => [topic, payload, qos]),
        [
          ["devices/me/config", "one", 1],
          ["devices/me/config", "two", 2],
        ],
      );
      await paho.tell("disconnect", "s");
      assert.equal((await connect("s", { ...kept(version), clean: true })).present, false);
      await deliver("config", "three");
      assert.deepEqual(await paho.messages("s", 1, QUIET_SECONDS), [], "a clean session has no subscription");
      await paho.tell("disconnect", "s");
    });

    test(`MQTT ${version}: the will of a client that vanishes is stored; that of one that says goodbye is not`, async () => {
      const { connect, readings } = await device(version);
      const will = (n: number) => ({ will: { topic: "devices/me/telemetry", payload: `{"will":${n}}` } });
      await connect("w", will(1));
      await paho.tell("disconnect", "w");
      await connect("w", will(2));
      await paho.tell("cut", "w");
      assert.deepEqual(await readings(1), [{ will: 2 }]);
    });

    test(`MQTT ${version}: a subscription of another's topic is refused, and so is a shared one`, async () => {
      const { connect } = await device(version);
      await connect("r");
      const { codes } = await paho.subscribe("r", [
        { topic: "devices/other/config" },
        { topic: "$share/g/devices/me/config" },
        { topic: "devices/me/alerts", qos: 1 },
      ]);
      assert.deepEqual(codes, version === "5" ? [0x87, 0x9e, 1] : [0x80, 0x80, 1]);
      await paho.tell("disconnect", "r");
    });

    test(`MQTT ${version}: a retained message begins a subscription`, async () => {
      const { connect, deliver } = await device(version);
      await deliver("alerts", "kept", { retain: true });
      await connect("k");
      await paho.subscribe("k", [{ topic: "devices/me/alerts" }]);
      assert.partialDeepStrictEqual(await paho.messages("k", 1), [{ payload: "kept", retain: true }]);
      await deliver("alerts", "live", { retain: true });
      assert.partialDeepStrictEqual(await paho.messages("k", 1), [{ payload: "live", retain: false }]);
      await paho.tell("disconnect", "k");
    });
  }

  test("MQTT 5: CONNACK tells what is in force: session expiry, keep-alive, maxima, no shared subscriptions", async () => {
    const { connect } = await device("5");
    const { code, properties } = await connect("m", { keepalive: 0, properties: { SessionExpiryInterval: 1000 } });
    assert.equal(code, 0);
    assert.partialDeepStrictEqual(properties, {
      SessionExpiryInterval: 100,
      ServerKeepAlive: 300,
      ReceiveMaximum: 1000,
      MaximumPacketSize: 262_144,
      TopicAliasMaximum: 16,
      SharedSubscriptionAvailable: 0,
    });
    await paho.tell("disconnect", "m");
  });

  test("MQTT 5: a session and a delayed will end at their expiry (sections 3.1.2.11.2 and 3.1.3.2.2)", async () => {
    const { connect, readings } = await device("5");
    const will = { topic: "devices/me/telemetry", payload: '{"will":1}', properties: { WillDelayInterval: 1 } };
    await connect("e", { ...kept("5", 60), will });
    await paho.tell("cut", "e");
    await sleep(200);
    assert.equal((await connect("e", { ...kept("5", 1), will })).present, true, "back before the delay");
    await sleep(1500);
    assert.deepEqual(await readings(0), []);
    await paho.tell("cut", "e");
    assert.deepEqual(await readings(1), [{ will: 1 }]);
    await sleep(200);
    assert.equal((await connect("e", kept("5", 1))).present, false);
    await paho.tell("disconnect", "e", { properties: { SessionExpiryInterval: 0 } });
    assert.equal((await connect("e", kept("5", 1))).present, false, "DISCONNECT may end it, too");
    await paho.tell("disconnect", "e");
  });

  test("MQTT 5: a message expires in the queue, and what is left of its time comes with it (section 3.3.2.3.3)", async () => {
    const { connect, deliver } = await device("5");
    await connect("x", kept("5"));
    await paho.subscribe("x", [{ topic: "devices/me/commands/#" }]);
    await paho.tell("disconnect", "x");
    await deliver("commands/1/a", "gone", { expirySeconds: 1 });
    await deliver("commands/2/a", "stays", { expirySeconds: 50 });
    await sleep(1200);
    await connect("x", kept("5"));
    const [message, ...others] = await paho.messages("x", 2, 1);
    assert.deepEqual([message?.payload, others], ["stays", []]);
    assert.ok(Number(message?.properties["MessageExpiryInterval"]) < 50);
    await paho.tell("disconnect", "x");
  });

  test("MQTT 5: subscription options and identifiers (section 3.8.3.1)", async () => {
    const { connect, deliver } = await device("5");
    await deliver("alerts", "kept", { retain: true });
    await connect("o", kept("5"));
    const never = await paho.subscribe(
      "o",
      [{ topic: "devices/me/alerts", retainHandling: 2, retainAsPublished: true }],
      {
        SubscriptionIdentifier: 9,
      },
    );
    assert.deepEqual(never.codes, [1]);
    assert.deepEqual(await paho.messages("o", 1, QUIET_SECONDS), [], "Retain Handling 2");
    await paho.subscribe("o", [{ topic: "devices/me/alerts", retainHandling: 1, retainAsPublished: true }], {
      SubscriptionIdentifier: 9,
    });
    assert.deepEqual(await paho.messages("o", 1, QUIET_SECONDS), [], "Retain Handling 1, and not new");
    await deliver("alerts", "live", { retain: true });
    const [message] = await paho.messages("o", 1);
    assert.partialDeepStrictEqual(message, {
      payload: "live",
      retain: true,
      properties: { SubscriptionIdentifier: [9] },
    });
    await paho.tell("disconnect", "o");
  });

  test("MQTT 5: an alias stands for its topic; one above the maximum ends the connection with 0x94 (section 3.3.2.3.4)", async () => {
    const { connect, readings } = await device("5");
    await connect("a");
    const aliased = (topic: string, TopicAlias: number, n: number) =>
      paho.publish("a", { topic, payload: `{"n":${n}}`, properties: { TopicAlias } });
    assert.deepEqual((await aliased("devices/me/telemetry", 1, 1)).codes, [0]);
    assert.deepEqual((await aliased("", 1, 2)).codes, [0]);
    assert.deepEqual((await readings(2)).length, 2);
    assert.equal((await aliased("devices/me/telemetry", 17, 3)).ended, 0x94);
  });

  test("MQTT 5: flow control: with Receive Maximum 1 messages come one after the other, all of them (section 4.9)", async () => {
    const { connect, deliver } = await device("5");
    const fields = { clean: false, properties: { SessionExpiryInterval: 60, ReceiveMaximum: 1 } };
    await connect("f", fields);
    await paho.subscribe("f", [{ topic: "devices/me/config", qos: 2 }]);
    await paho.tell("disconnect", "f");
    const texts = Array.from({ length: 20 }, (_, n) => `${n}`);
    for (const text of texts) await deliver("config", text, { qos: Number(text) % 2 === 0 ? 1 : 2 });
    await connect("f", fields);
    assert.deepEqual(
      (await paho.messages("f", 20)).map(({ payload }) => payload),
      texts,
    );
    await paho.tell("disconnect", "f");
  });

  test("MQTT 5: reason codes: wrong password 0x86, another's topic 0x87, nonsense 0x99, taken over 0x8E, too large 0x95", async () => {
    const { connect } = await device("5");
    assert.equal((await connect("wrong", { password: "wrong" })).code, 0x86);
    await connect("c");
    const publish = (topic: string, payload: string) => paho.publish("c", { topic, payload });
    assert.deepEqual((await publish("devices/other/telemetry", "{}")).codes, [0x87]);
    assert.deepEqual((await publish("devices/me/telemetry", "nonsense")).codes, [0x99]);
    await connect("c2");
    assert.deepEqual(await paho.tell("ended", "c"), { code: 0x8e });
    const large = await paho.publish("c2", { topic: "devices/me/telemetry", payload: "x".repeat(300_000) });
    assert.equal(large.ended, 0x95);
  });

  test("MQTT 5: a client id is assigned and told (section 3.2.2.3.7)", async () => {
    const { connect } = await device("5");
    const { code, properties } = await connect("", { clientId: "" });
    assert.equal(code, 0);
    assert.match(String(properties["AssignedClientIdentifier"]), /^[0-9a-f-]{36}$/);
    await paho.tell("disconnect", "");
  });
});
