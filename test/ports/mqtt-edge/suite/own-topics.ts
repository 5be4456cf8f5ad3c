import assert from "node:assert/strict";
import { test } from "node:test";
import type { ISubackPacket } from "mqtt-packet";
import type { RawClient } from "./raw-client.ts";
import { DEVICE, nameOf, publishPacket, Rig, type StartEdge, subscribePacket, VERSIONS } from "./subject.ts";

/** Topics that boiler-7 of tenant default may not publish to. */
const NOT_OWN = [
  "devices/boiler-8/telemetry",
  "devices/boiler-70/telemetry",
  "devices/boiler-7/telemetry/x",
  "devices/boiler-7/commands/1/reboot",
  "default/devices/boiler-7/telemetry",
  "/devices/boiler-7/telemetry",
  "@default/boiler-8/devices/boiler-8/telemetry",
  "@acme/boiler-7/devices/boiler-7/telemetry",
  "$SYS/broker",
  "telemetry",
];

/** Filters that it may not subscribe to. */
const NOT_OWN_FILTERS = [
  "#",
  "+/#",
  "+/+/commands/#",
  "devices/+/commands/#",
  "devices/#",
  "devices/boiler-7/#",
  "devices/boiler-7/+",
  "devices/boiler-7/telemetry",
  "devices/boiler-8/commands/#",
  "devices/boiler-8/config",
  "@default/boiler-8/devices/boiler-8/config",
  "@denied/session",
  "$SYS/#",
  "$SYS/+/new/clients",
];

const granted = async (client: RawClient): Promise<unknown> => ((await client.next()) as ISubackPacket).granted;

export function ownTopics(start: StartEdge): void {
  for (const topic of NOT_OWN) {
    test(`MQTT 5: a PUBLISH to ${topic} is answered 0x87 and stored nowhere; the connection stays`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(5);
      client.send(
        publishPacket(1, "q1", { topic }),
        publishPacket(2, "q2", { topic, qos: 2 }),
        publishPacket(0, "q0", { topic, qos: 0 }),
        publishPacket(3, "own"),
      );
      assert.deepEqual(await client.answers(3), ["puback 1 0x87", "pubrec 2 0x87", "puback 3"]);
      assert.deepEqual(rig.platform.texts, ["own"]);
      assert.equal(rig.edge.refused, 3);
    });

    for (const qos of [0, 1, 2] as const)
      test(`MQTT 3.1.1: a PUBLISH with QoS ${qos} to ${topic} is stored nowhere and closes the connection`, async (t) => {
        const rig = await Rig.start(t, start);
        const client = await rig.connect(4);
        client.send(publishPacket(1, "x", { topic, qos }));
        assert.deepEqual(await client.answers(1), ["closed"]);
        assert.deepEqual(rig.platform.texts, []);
        assert.equal(rig.edge.refused, 1);
      });
  }

  for (const version of VERSIONS) {
    const refused = version === 5 ? 0x87 : 0x80;

    test(`${nameOf(version)}: subscriptions to other topics than one's own are refused one by one`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      const own = ["devices/boiler-7/commands/#", "devices/boiler-7/config", "devices/me/alerts"];
      client.send(subscribePacket(1, ...NOT_OWN_FILTERS, ...own));
      assert.deepEqual(await granted(client), [...NOT_OWN_FILTERS.map(() => refused), 1, 1, 1]);
    });

    test(`${nameOf(version)}: the same refused filter twice is answered twice`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(subscribePacket(1, "#", "#", "devices/me/config"));
      assert.deepEqual(await granted(client), [refused, refused, 1]);
    });

    test(`${nameOf(version)}: shared subscriptions are refused, whatever is shared`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(subscribePacket(1, "$share/g/#", "$share/g/devices/boiler-7/config"));
      const code = version === 5 ? 0x9e : 0x80;
      assert.deepEqual(await granted(client), [code, code]);
    });

    test(`${nameOf(version)}: who asked for everything receives nothing of others, nor of the broker`, async (t) => {
      const rig = await Rig.start(t, start);
      const spy = await rig.connect(version, { clientId: "spy" });
      spy.send(subscribePacket(1, ...NOT_OWN_FILTERS, "$share/g/#"));
      await spy.next();
      const other = await rig.connect(version, { clientId: "other", username: "boiler-8" });
      other.send(subscribePacket(1, "devices/boiler-8/config"));
      await other.next();
      other.send(publishPacket(1, "secret", { topic: "devices/boiler-8/telemetry", retain: true }));
      await rig.edge.deliver(
        { tenantId: "default", deviceId: "boiler-8" },
        "devices/boiler-8/config",
        Buffer.from("c"),
      );
      assert.deepEqual((await other.answers(2)).map((answer) => answer.split(" ")[0]).sort(), ["puback", "publish"]);
      assert.deepEqual(await spy.early(), []);
    });

    test(`${nameOf(version)}: devices of two tenants with one id and one client id don't disturb each other`, async (t) => {
      const rig = await Rig.start(t, start);
      const [one, two] = [
        await rig.connect(version, { username: "one/boiler-7" }),
        await rig.connect(version, { username: "two/boiler-7" }),
      ];
      for (const client of [one, two]) {
        client.send(subscribePacket(1, "devices/boiler-7/config"));
        assert.deepEqual(await granted(client), [1]);
      }
      await rig.edge.deliver({ ...DEVICE, tenantId: "one" }, "devices/boiler-7/config", Buffer.from("for one"));
      assert.partialDeepStrictEqual(await one.next(), { cmd: "publish", payload: Buffer.from("for one") });
      assert.deepEqual(await two.early(), [], "neither taken over nor served another's messages");
      for (const client of [one, two]) client.send(publishPacket(2, "x"));
      assert.deepEqual([await one.answers(1), await two.answers(1)], [["puback 2"], ["puback 2"]]);
      assert.deepEqual(rig.platform.received.map(({ device }) => device).sort(), ["one/boiler-7", "two/boiler-7"]);
    });

    test(`${nameOf(version)}: two devices of a tenant may have one client id`, async (t) => {
      const rig = await Rig.start(t, start);
      const first = await rig.connect(version);
      const second = await rig.connect(version, { username: "boiler-8" });
      first.send(publishPacket(1, "7"));
      second.send(publishPacket(1, "8", { topic: "devices/me/telemetry" }));
      assert.deepEqual([await first.answers(1), await second.answers(1)], [["puback 1"], ["puback 1"]]);
    });
  }
}
