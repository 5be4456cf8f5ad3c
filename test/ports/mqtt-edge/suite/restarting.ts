import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnackPacket, IPublishPacket, ISubackPacket } from "mqtt-packet";
import type { RawClient } from "./raw-client.ts";
import {
  DEVICE,
  fresh,
  kept,
  nameOf,
  publishPacket,
  Rig,
  type StartEdge,
  sessionsFile,
  subscribePacket,
  VERSIONS,
  WAIT,
} from "./subject.ts";

const CONFIG = "devices/boiler-7/config";
const shown = ({ topic, payload, qos, dup, retain }: IPublishPacket) =>
  `${topic} ${payload} q${qos}${dup ? " dup" : ""}${retain ? " retain" : ""}`;
const nextPublish = async (client: RawClient) => (await client.next()) as IPublishPacket;
const nextShown = async (client: RawClient) => shown(await nextPublish(client));
const present = (answer: object) => (answer as IConnackPacket).sessionPresent;

/** What outlives the edge, given a file. */
export function restarting(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: session, subscription and queued messages survive a restart; what was acknowledged does not come again`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, "devices/me/config", "devices/boiler-7/commands/#"));
      await client.next();
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("1"));
      await rig.edge.deliver(DEVICE, "devices/boiler-7/commands/c/reboot", Buffer.from("2"));
      await rig.edge.deliver(DEVICE, "devices/boiler-7/alerts", Buffer.from("not subscribed"));
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("QoS 0 is not queued"), { qos: 0 });
      await rig.restart();
      const [resumed, answer] = await rig.ask(version, kept(version));
      assert.equal(present(answer), true);
      const packets = [await nextPublish(resumed), await nextPublish(resumed)];
      assert.deepEqual(packets.map(shown), ["devices/me/config 1 q1", "devices/boiler-7/commands/c/reboot 2 q1"]);
      for (const { messageId } of packets) resumed.send({ cmd: "puback", messageId: messageId as number });
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("3"));
      assert.equal(await nextShown(resumed), "devices/me/config 3 q1", "the subscription is in force");
      await rig.restart();
      const again = await rig.connect(version, kept(version));
      assert.equal(await nextShown(again), "devices/me/config 3 q1 dup", "not acknowledged, and so it comes again");
      assert.deepEqual(await again.early(), []);
    });

    test(`${nameOf(version)}: a current value that changed while nobody told the edge comes when the session is resumed, once`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      rig.platform.currentOf = (filter) => (filter === CONFIG ? "1" : undefined);
      const next = async (from: RawClient) => {
        const packet = await nextPublish(from);
        from.send({ cmd: "puback", messageId: packet.messageId as number });
        return shown(packet);
      };
      const resume = async (former: RawClient) => {
        former.cut();
        await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
        return rig.connect(version, kept(version));
      };
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, CONFIG));
      assert.deepEqual(await client.answers(1), ["suback 1"]);
      assert.equal(await next(client), `${CONFIG} 1 q1 retain`);

      const unchanged = await resume(client);
      assert.deepEqual(await unchanged.early(), [], "it is known");
      unchanged.cut();
      await rig.restart();
      rig.platform.currentOf = (filter) => (filter === CONFIG ? "2" : undefined);
      const restarted = await rig.connect(version, kept(version));
      assert.equal(await next(restarted), `${CONFIG} 2 q1`);

      await rig.edge.setCurrent(DEVICE, CONFIG, Buffer.from("3"));
      rig.platform.currentOf = (filter) => (filter === CONFIG ? "3" : undefined);
      assert.equal(await next(restarted), `${CONFIG} 3 q1`);
      const last = await resume(restarted);
      assert.deepEqual(await last.early(), [], "it was sent when it changed");
    });

    test(`${nameOf(version)}: a QoS 2 message is sent again under its id with DUP; once received, PUBREL in its place`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      const client = await rig.connect(version, kept(version));
      client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: CONFIG, qos: 2 }] });
      await client.next();
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("once"), { qos: 2 });
      const { messageId } = await nextPublish(client);
      await rig.restart();
      const resumed = await rig.connect(version, kept(version));
      const repeated = await nextPublish(resumed);
      assert.deepEqual([shown(repeated), repeated.messageId], [`${CONFIG} once q2 dup`, messageId]);
      resumed.send({ cmd: "pubrec", messageId: messageId as number });
      assert.deepEqual(await resumed.answers(1), [`pubrel ${messageId}`]);
      await rig.restart();
      const last = await rig.connect(version, kept(version));
      assert.deepEqual(await last.answers(1), [`pubrel ${messageId}`]);
      last.send({ cmd: "pubcomp", messageId: messageId as number });
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("next"), { qos: 2 });
      assert.equal(await nextShown(last), `${CONFIG} next q2`);
    });

    test(`${nameOf(version)}: a QoS 2 message that was stored and not released is not stored again after a restart`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "a", { qos: 2 }), publishPacket(2, "b", { qos: 2 }));
      await client.answers(2);
      client.send({ cmd: "pubrel", messageId: 2 });
      await client.answers(1);
      await rig.restart();
      const resumed = await rig.connect(version, kept(version));
      resumed.send(publishPacket(1, "a", { qos: 2, dup: true }), publishPacket(2, "c", { qos: 2 }));
      assert.deepEqual(await resumed.answers(2), ["pubrec 1", "pubrec 2"]);
      assert.deepEqual(rig.platform.texts, ["a", "b", "c"]);
    });

    test(`${nameOf(version)}: a resend after a restart has the arrival of its first sending`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "same"), publishPacket(2, "before"));
      await client.answers(2);
      await rig.restart();
      const resumed = await rig.connect(version, kept(version));
      resumed.send(publishPacket(1, "same", { dup: true }), publishPacket(2, "after", { dup: true }));
      await resumed.answers(2);
      const [first, , resent, other] = rig.platform.received.map(({ arrival }) => arrival);
      assert.deepEqual(resent, first);
      assert.notEqual(other?.packet, first?.packet);
    });

    test(`${nameOf(version)}: a clean start leaves nothing of what was before the restart`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, CONFIG), publishPacket(1, "a", { qos: 2 }));
      await client.answers(2);
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("old"));
      await rig.restart();
      const [clean, answer] = await rig.ask(version, fresh(version));
      assert.equal(present(answer), false);
      clean.send(publishPacket(1, "b", { qos: 2 }));
      assert.deepEqual(await clean.answers(1), ["pubrec 1"]);
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("new"));
      assert.deepEqual(await clean.early(), [], "neither message nor subscription");
      assert.deepEqual(rig.platform.texts, ["a", "b"]);
    });

    test(`${nameOf(version)}: a retained message survives a restart, and an empty one removes it`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("kept"), { retain: true });
      await rig.restart();
      const client = await rig.connect(version, kept(version));
      client.send(subscribePacket(1, "devices/me/config"));
      assert.partialDeepStrictEqual((await client.next()) as ISubackPacket, { cmd: "suback", granted: [1] });
      assert.equal(await nextShown(client), "devices/me/config kept q1 retain");
      await rig.edge.deliver(DEVICE, CONFIG, Buffer.alloc(0), { retain: true });
      assert.equal(await nextShown(client), "devices/me/config  q1");
      await rig.restart();
      const later = await rig.connect(version, { clientId: "later" });
      later.send(subscribePacket(1, CONFIG));
      assert.deepEqual(await later.answers(1), ["suback 1"]);
      assert.deepEqual(await later.early(), []);
    });
  }

  test("MQTT 5: subscription options, identifiers and expiry survive a restart", async (t) => {
    const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
    const client = await rig.connect(5, kept(5));
    client.send({
      ...{ cmd: "subscribe", messageId: 1, properties: { subscriptionIdentifier: 7 } },
      subscriptions: [{ topic: CONFIG, qos: 1, rap: true }],
    });
    await client.next();
    client.cut();
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
    await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("gone"), { expirySeconds: 1 });
    await rig.edge.deliver(DEVICE, CONFIG, Buffer.from("stays"), { expirySeconds: 60, retain: true });
    await rig.restart();
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const resumed = await rig.connect(5, kept(5));
    const packet = await nextPublish(resumed);
    assert.equal(shown(packet), `${CONFIG} stays q1 retain`);
    const { messageExpiryInterval, subscriptionIdentifier } = packet.properties ?? {};
    assert.ok(messageExpiryInterval && messageExpiryInterval < 60, "what is left of it");
    assert.deepEqual([subscriptionIdentifier].flat(), [7]);
    assert.deepEqual(await resumed.early(), []);
  });

  test("MQTT 5: a session whose expiry passes is gone, whether or not the edge ran", async (t) => {
    const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
    const brief = { clean: false, properties: { sessionExpiryInterval: 1 } };
    (await rig.connect(5, { ...brief, clientId: "away" })).cut();
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
    await rig.restart();
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const [, answer] = await rig.ask(5, { ...brief, clientId: "away" });
    assert.equal(present(answer), false);
  });

  test("a will that waits for its delay when the edge ends is received after it, unless the client is back", async (t) => {
    const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t), recoveredWillMs: 200 });
    const will = { topic: "devices/me/telemetry", payload: Buffer.from("gone"), qos: 1 as const, retain: false };
    const delayed = { ...kept(5), will: { ...will, properties: { willDelayInterval: 1 } } };
    for (const clientId of ["back", "away"]) (await rig.connect(5, { ...delayed, clientId })).cut();
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
    await rig.restart();
    await rig.connect(5, { ...kept(5), clientId: "back" });
    await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
    await t.waitFor(() => assert.ok(rig.platform.presence.includes("disconnected 2 will")), WAIT);
  });
}
