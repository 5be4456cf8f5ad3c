import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnectPacket, IPublishPacket } from "mqtt-packet";
import type { RawClient } from "./raw-client.ts";
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

  for (const version of VERSIONS) {
    test(`${nameOf(version)}: me and the device's id are one topic; messages come under the form that was subscribed`, async (t) => {
      const rig = await Rig.start(t, start);
      const [me, id] = [await rig.connect(version), await rig.connect(version, { clientId: "c-2" })];
      me.send(subscribePacket(1, "devices/me/config", "devices/me/commands/#"));
      id.send(subscribePacket(1, CONFIG, "devices/boiler-7/commands/#"));
      for (const client of [me, id]) await client.next();
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("1"));
      await rig.edge.deliver(DEVICE, COMMAND, Buffer.from("2"));
      const topics = async (client: RawClient) =>
        ([await client.next(), await client.next()] as IPublishPacket[]).map(({ topic }) => topic);
      assert.deepEqual(await topics(me), ["devices/me/config", "devices/me/commands/c-1/reboot"]);
      assert.deepEqual(await topics(id), [CONFIG, COMMAND]);
      me.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: [CONFIG] });
      await me.next();
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("3"));
      assert.partialDeepStrictEqual(await id.next(), { topic: CONFIG });
      assert.deepEqual(await me.early(), [], "either form ends the subscription");
    });

    test(`${nameOf(version)}: a filter twice in one SUBSCRIBE, in either form, is answered twice, and one subscription: the later`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, CONFIG, "devices/me/config", "devices/me/config"));
      assert.partialDeepStrictEqual(await client.next(), { granted: [1, 1, 1] });
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("once"));
      assert.partialDeepStrictEqual(await client.next(), { topic: "devices/me/config" });
      assert.deepEqual(await client.early(), []);
    });

    for (const [what, session] of [
      ["a clean session", (): Partial<IConnectPacket> => ({})],
      ["a session that is kept", () => kept(version)],
    ] as const) {
      // Below MQTT 5 the edge's own bound is all there is.
      const window = (edge: number, client: number) =>
        version === 5 ? { maxInFlight: 100, receive: { receiveMaximum: client } } : { maxInFlight: edge, receive: {} };

      test(`${nameOf(version)}: in ${what} no more messages are in flight than the client takes (MQTT-3.3.4-9)`, async (t) => {
        const { maxInFlight, receive } = window(2, 2);
        const rig = await Rig.start(t, start, { maxInFlight });
        const fields = session();
        const client = await rig.connect(version, { ...fields, properties: { ...fields.properties, ...receive } });
        client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: CONFIG, qos: 2 }] });
        await client.next();
        for (const text of ["1", "2", "3", "4"])
          await rig.edge.deliver(DEVICE, CONFIG, Buffer.from(text), { qos: text === "2" ? 2 : 1 });
        const [first, second] = [await client.next(), await client.next()] as IPublishPacket[];
        assert.deepEqual(await client.early(), []);
        client.send({ cmd: "puback", messageId: first?.messageId as number });
        assert.partialDeepStrictEqual(await client.next(), { cmd: "publish", payload: Buffer.from("3") });
        client.send({ cmd: "pubrec", messageId: second?.messageId as number });
        assert.deepEqual(await client.answers(1), [`pubrel ${second?.messageId}`]);
        assert.deepEqual(await client.early(), [], "QoS 2 is in flight until PUBCOMP");
        client.send({ cmd: "pubcomp", messageId: second?.messageId as number });
        assert.partialDeepStrictEqual(await client.next(), { cmd: "publish", payload: Buffer.from("4") });
      });
    }

    test(`${nameOf(version)}: on resume, too, no more are in flight than the client takes; those sent before carry DUP and their id`, async (t) => {
      const rig = await Rig.start(t, start, { maxInFlight: 3 });
      const fields = (receiveMaximum: number) =>
        version === 5 ? { clean: false, properties: { sessionExpiryInterval: 60, receiveMaximum } } : kept(version);
      const client = await rig.connect(version, fields(3));
      client.send(subscribePacket(1, CONFIG));
      await client.next();
      for (let n = 1; n <= 6; n++) await rig.edge.deliver(DEVICE, CONFIG, Buffer.from(`${n}`));
      const sent = [await client.next(), await client.next(), await client.next()] as IPublishPacket[];
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      const resumed = await rig.connect(version, fields(2));
      const seen: [string, boolean, boolean][] = [];
      const ids = new Set<number>();
      const take = async () => {
        const { payload, dup, messageId = 0 } = (await resumed.next()) as IPublishPacket;
        const n = Number(String(payload));
        assert.ok(!ids.has(messageId), "an id of a message in flight");
        ids.add(messageId);
        seen.push([String(payload), dup, n > 3 || messageId === sent[n - 1]?.messageId]);
        return messageId;
      };
      const window = version === 5 ? 2 : 3;
      const waiting: number[] = [];
      for (let n = 0; n < window; n++) waiting.push(await take());
      assert.deepEqual(await resumed.early(), []);
      for (let n = window; n < 6; n++) {
        const messageId = waiting.shift() as number;
        ids.delete(messageId);
        resumed.send({ cmd: "puback", messageId });
        waiting.push(await take());
      }
      assert.deepEqual(
        seen,
        [1, 2, 3, 4, 5, 6].map((n) => [`${n}`, n <= 3, true]),
      );
    });

    test(`${nameOf(version)}: of too many messages for a session that is away the oldest go, and are counted`, async (t) => {
      const rig = await Rig.start(t, start, { maxQueuedPerSession: 3 });
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, CONFIG));
      await client.next();
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      for (let n = 1; n <= 5; n++) await rig.edge.deliver(DEVICE, CONFIG, Buffer.from(`${n}`));
      assert.equal(rig.edge.dropped, 2);
      const resumed = await rig.connect(version, kept(version));
      const got: string[] = [];
      for (let n = 0; n < 3; n++) got.push(String(((await resumed.next()) as IPublishPacket).payload));
      assert.deepEqual(got, ["3", "4", "5"]);
      assert.deepEqual(await resumed.early(), []);
    });

    test(`${nameOf(version)}: a message comes with the QoS of the subscription at most`, async (t) => {
      const rig = await Rig.start(t, start);
      for (const session of [{ clientId: "clean" }, { clientId: "kept", ...kept(version) }]) {
        const client = await rig.connect(version, session);
        client.send(subscribePacket(1, CONFIG));
        await client.next();
        await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("x"), { qos: 2 });
        assert.partialDeepStrictEqual(await client.next(), { qos: 1 });
      }
    });

    test(`${nameOf(version)}: retained messages beyond their number or bytes are refused, those that are there may be replaced`, async (t) => {
      const rig = await Rig.start(t, start, { maxRetained: 2, maxRetainedBytes: 1000 });
      const retain = (name: string, bytes = 1) =>
        rig.edge.deliver(DEVICE, `devices/boiler-7/${name}`, Buffer.alloc(bytes, "x"), { retain: true });
      await retain("config");
      await retain("alerts");
      await assert.rejects(retain("commands/1/x"), { type: "RETAINED_FULL" });
      await assert.rejects(retain("config", 900), { type: "RETAINED_FULL" });
      await retain("config", 100);
      const client = await rig.connect(version);
      client.send(subscribePacket(1, "devices/me/config"));
      await client.next();
      assert.partialDeepStrictEqual(await client.next(), {
        topic: "devices/me/config",
        payload: Buffer.alloc(100, "x"),
      });
    });
  }

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
