import assert from "node:assert/strict";
import { test } from "node:test";
import type { IPublishPacket } from "mqtt-packet";
import { DEVICE, kept, nameOf, Rig, type StartEdge, subscribePacket, VERSIONS, WAIT } from "./subject.ts";

const CONFIG = "devices/boiler-7/config";
const COMMAND = "devices/boiler-7/commands/c-1/reboot";

export function delivering(start: StartEdge): void {
  for (const version of VERSIONS) {
    for (const scheme of ["mqtt", "ws"] as const)
      test(`${nameOf(version)} over ${scheme}: a device receives what is delivered to its subscriptions, under the topic it knows`, async (t) => {
        const rig = await Rig.start(t, start);
        const client = await rig.mqttJs(version, {}, scheme);
        const got: [string, string][] = [];
        client.on("message", (topic, payload) => got.push([topic, payload.toString()]));
        await client.subscribeAsync(["devices/boiler-7/commands/#", CONFIG], { qos: 1 });
        await rig.edge.deliver(DEVICE, COMMAND, Buffer.from("now"));
        await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("config"), { qos: 0 });
        await rig.edge.deliver(DEVICE, "devices/boiler-7/alerts", Buffer.from("not subscribed"));
        await t.waitFor(() => assert.equal(got.length, 2), WAIT);
        assert.deepEqual(got, [
          [COMMAND, "now"],
          [CONFIG, "config"],
        ]);
        await client.unsubscribeAsync(CONFIG);
        await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("after"));
        await rig.edge.deliver(DEVICE, COMMAND, Buffer.from("last"));
        await t.waitFor(() => assert.deepEqual(got[2], [COMMAND, "last"]), WAIT);
      });

    test(`${nameOf(version)}: what was delivered while a device was away comes when it resumes its session`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, CONFIG));
      await client.next();
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("1"));
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("2"));
      const resumed = await rig.connect(version, kept(version));
      const packets = [await resumed.next(), await resumed.next()] as IPublishPacket[];
      assert.deepEqual(
        packets.map(({ topic, payload, qos }) => [topic, payload.toString(), qos]),
        [
          [CONFIG, "1", 1],
          [CONFIG, "2", 1],
        ],
      );
    });

    test(`${nameOf(version)}: what was sent and not acknowledged is sent again, under the topic the device knows`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, CONFIG));
      await client.next();
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("1"));
      assert.partialDeepStrictEqual(await client.next(), { topic: CONFIG });
      client.cut();
      const resumed = await rig.connect(version, kept(version));
      assert.partialDeepStrictEqual(await resumed.next(), { cmd: "publish", topic: CONFIG, payload: Buffer.from("1") });
    });

    test(`${nameOf(version)}: what a device publishes is not routed to it, although its filter would match`, async (t) => {
      const rig = await Rig.start(t, start);
      rig.platform.maySubscribe = () => true;
      const client = await rig.connect(version);
      client.send(subscribePacket(1, "#"));
      await client.next();
      client.send({ cmd: "publish", topic: "devices/me/telemetry", payload: "x", qos: 0, dup: false, retain: true });
      await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["x"]), WAIT);
      assert.deepEqual(await client.early(), []);
    });
  }

  test("MQTT 5: no more QoS 1 messages are in flight than the client's Receive Maximum (MQTT-3.3.4-9)", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5, { properties: { receiveMaximum: 2 } });
    client.send(subscribePacket(1, CONFIG));
    await client.next();
    for (const text of ["1", "2", "3", "4"]) await rig.edge.deliver(DEVICE, CONFIG, Buffer.from(text));
    const inFlight = [await client.next(), await client.next()] as IPublishPacket[];
    assert.deepEqual(await client.early(), []);
    client.send({ cmd: "puback", messageId: inFlight[0]?.messageId as number });
    assert.partialDeepStrictEqual(await client.next(), { cmd: "publish", payload: Buffer.from("3") });
    assert.deepEqual(await client.early(), []);
  });

  test("MQTT 5: a client that acknowledges nothing is closed with 0x97 when too much waits for it", async (t) => {
    const rig = await Rig.start(t, start, { maxQueuedPerSession: 3 });
    const client = await rig.connect(5, { properties: { receiveMaximum: 1 } });
    client.send(subscribePacket(1, CONFIG));
    await client.next();
    for (let i = 0; i < 5; i++) await rig.edge.deliver(DEVICE, CONFIG, Buffer.from(`${i}`));
    assert.match((await client.answers(3)).join(), /^publish \d+,disconnect 0x97,closed$/);
  });

  test("MQTT 5: what is larger than the client takes is not sent to it (MQTT-3.1.2-24)", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5, { properties: { maximumPacketSize: 200 } });
    client.send(subscribePacket(1, CONFIG));
    await client.next();
    await rig.edge.deliver(DEVICE, CONFIG, Buffer.alloc(300));
    await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("small"));
    assert.partialDeepStrictEqual(await client.next(), { payload: Buffer.from("small") });
  });
}
