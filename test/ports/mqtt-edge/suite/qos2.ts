import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnackPacket } from "mqtt-packet";
import { Reason, Refusal } from "../../../../services/mqtt-bridge/edge/reason.ts";
import { fresh, kept, nameOf, publishPacket, Rig, type StartEdge, VERSIONS, WAIT } from "./subject.ts";

const pubrel = (messageId: number) => ({ cmd: "pubrel" as const, messageId });
const q2 = { qos: 2 } as const;
const again = { qos: 2, dup: true } as const;

export function qos2(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: a QoS 2 message sent again before PUBREL is stored once; after it the id is new`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(publishPacket(1, "a", q2));
      assert.deepEqual(await client.answers(1), ["pubrec 1"]);
      client.send(publishPacket(1, "a", again));
      assert.deepEqual(await client.answers(1), ["pubrec 1"]);
      assert.deepEqual(rig.platform.texts, ["a"]);
      client.send(pubrel(1));
      assert.deepEqual(await client.answers(1), ["pubcomp 1"]);
      client.send(publishPacket(1, "b", q2));
      assert.deepEqual(await client.answers(1), ["pubrec 1"]);
      assert.deepEqual(rig.platform.texts, ["a", "b"]);
    });

    test(`${nameOf(version)}: a QoS 2 message sent again after a reconnect in the same session is stored once`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "a", q2));
      await client.answers(1);
      client.cut();
      const resumed = await rig.connect(version, kept(version));
      resumed.send(publishPacket(1, "a", again));
      assert.deepEqual(await resumed.answers(1), ["pubrec 1"]);
      resumed.send(pubrel(1));
      assert.deepEqual(await resumed.answers(1), ["pubcomp 1"]);
      assert.deepEqual(rig.platform.texts, ["a"]);
    });

    test(`${nameOf(version)}: a clean session forgets the QoS 2 messages of the one before`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "a", q2));
      await client.answers(1);
      client.cut();
      const next = await rig.connect(version, fresh(version));
      next.send(publishPacket(1, "b", q2));
      assert.deepEqual(await next.answers(1), ["pubrec 1"]);
      assert.deepEqual(rig.platform.texts, ["a", "b"]);
    });

    test(`${nameOf(version)}: PUBREL for an unknown id is answered with PUBCOMP`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(pubrel(77));
      assert.deepEqual(await client.answers(1), ["pubcomp 77"]);
    });

    test(`${nameOf(version)}: a commit that ends late, when a resend of its message is long released, makes no duplicate of the next`, async (t) => {
      const rig = await Rig.start(t, start);
      rig.platform.hold = true;
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "a", q2));
      await t.waitFor(() => assert.equal(rig.platform.held.length, 1), WAIT);
      client.cut();
      const resumed = await rig.connect(version, kept(version));
      resumed.send(publishPacket(1, "a", again));
      await t.waitFor(() => assert.equal(rig.platform.held.length, 2), WAIT);
      rig.platform.held[1]?.done();
      assert.deepEqual(await resumed.answers(1), ["pubrec 1"]);
      resumed.send(pubrel(1));
      assert.deepEqual(await resumed.answers(1), ["pubcomp 1"]);
      rig.platform.held[0]?.done();
      rig.platform.hold = false;
      resumed.send(publishPacket(1, "b", q2));
      assert.deepEqual(await resumed.answers(1), ["pubrec 1"]);
      assert.deepEqual(rig.platform.texts, ["a", "a", "b"]);
    });

    test(`${nameOf(version)}: more unreleased QoS 2 messages than the Receive Maximum end the connection${version === 5 ? " with 0x93" : ""}`, async (t) => {
      const rig = await Rig.start(t, start, { receiveMaximum: 3 });
      const client = await rig.connect(version);
      client.send(...[1, 2, 3].map((id) => publishPacket(id, `${id}`, q2)));
      assert.deepEqual(await client.answers(3), ["pubrec 1", "pubrec 2", "pubrec 3"]);
      client.send(pubrel(2));
      assert.deepEqual(await client.answers(1), ["pubcomp 2"]);
      client.send(publishPacket(4, "4", q2), publishPacket(1, "1", again));
      assert.deepEqual(await client.answers(2), ["pubrec 4", "pubrec 1"]);
      client.send(publishPacket(5, "5", q2));
      assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x93", "closed"] : ["closed"]);
      assert.deepEqual(rig.platform.texts, ["1", "2", "3", "4"]);
    });
  }

  test("MQTT 5: the Receive Maximum is told to the client", async (t) => {
    const rig = await Rig.start(t, start, { receiveMaximum: 3 });
    const [, answer] = await rig.ask(5);
    assert.equal((answer as IConnackPacket).properties?.receiveMaximum, 3);
  });

  test("MQTT 5: a refused QoS 2 message leaves its id, and its place in the window, free (MQTT-4.3.3-4)", async (t) => {
    const rig = await Rig.start(t, start, { receiveMaximum: 1 });
    rig.platform.commit = async (text) => {
      if (text === "full") throw new Refusal(Reason.quotaExceeded, "full");
      return text === "wrong" ? new Refusal(Reason.payloadFormatInvalid, "wrong") : undefined;
    };
    const client = await rig.connect(5);
    for (const [id, text] of [
      [1, "full"],
      [2, "wrong"],
      [3, "good"],
    ] as const) {
      client.send(publishPacket(id, text, { qos: 2 }));
      assert.match((await client.answers(1)).join(), /^pubrec/);
    }
    assert.deepEqual(rig.platform.texts, ["full", "wrong", "good"]);
  });
}
