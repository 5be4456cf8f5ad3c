import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnackPacket } from "mqtt-packet";
import { connectPacket, kept, nameOf, publishPacket, Rig, type StartEdge, VERSIONS, WAIT } from "./subject.ts";

export function resends(start: StartEdge): void {
  for (const version of VERSIONS) {
    for (const qos of [1, 2] as const)
      test(`${nameOf(version)}: a QoS ${qos} message resent (DUP) in the same session keeps the arrival of its first sending`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.hold = true;
        const client = await rig.connect(version, kept(version));
        client.send(publishPacket(1, "same", { qos }), publishPacket(2, "before", { qos }));
        await t.waitFor(() => assert.equal(rig.platform.held.length, 2), WAIT);
        client.cut();
        const resumed = await rig.connect(version, kept(version));
        resumed.send(
          publishPacket(1, "same", { qos, dup: true }),
          publishPacket(2, "after", { qos, dup: true }),
          publishPacket(3, "same", { qos, dup: true }),
        );
        await t.waitFor(() => assert.equal(rig.platform.held.length, 5), WAIT);
        const [first, second, resent, otherBytes, otherId] = rig.platform.received.map(({ arrival }) => arrival);
        assert.deepEqual(resent, first);
        const packets = [first, second, otherBytes, otherId].map((arrival) => arrival?.packet);
        assert.equal(new Set(packets).size, 4, "other bytes and other ids are other messages");
      });

    test(`${nameOf(version)}: a packet id used anew, without DUP, is another message though its bytes are the same`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      for (let i = 0; i < 2; i++) {
        client.send(publishPacket(1, "same"));
        assert.deepEqual(await client.answers(1), ["puback 1"]);
      }
      const [first, second] = rig.platform.received.map(({ arrival }) => arrival.packet);
      assert.notEqual(second, first);
    });

    test(`${nameOf(version)}: without a session that is kept, a resend is a new message: ids of another session mean nothing`, async (t) => {
      const rig = await Rig.start(t, start);
      for (const dup of [false, true]) {
        const client = await rig.connect(version);
        client.send(publishPacket(1, "same", { dup }));
        await client.answers(1);
        client.cut();
      }
      const [first, second] = rig.platform.received.map(({ arrival }) => arrival.packet);
      assert.notEqual(second, first);
    });

    test(`${nameOf(version)}: a reconnect that is broken off while the registry is asked costs the session nothing`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "a", { qos: 2 }), publishPacket(2, "b"));
      await client.answers(2);
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);

      const { check } = rig.platform;
      const asked = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<void>();
      rig.platform.check = () => {
        asked.resolve();
        return answer.promise;
      };
      const hasty = rig.open(version);
      hasty.send(connectPacket(version, kept(version)));
      await asked.promise;
      hasty.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      answer.resolve();
      rig.platform.check = check;

      const [resumed, connack] = await rig.ask(version, kept(version));
      assert.equal((connack as IConnackPacket).sessionPresent, true);
      resumed.send(publishPacket(1, "a", { qos: 2, dup: true }), publishPacket(2, "b", { dup: true }));
      assert.deepEqual(await resumed.answers(2), ["pubrec 1", "puback 2"]);
      const [, first, resent] = rig.platform.received;
      assert.deepEqual(rig.platform.texts, ["a", "b", "b"]);
      assert.deepEqual(resent?.arrival, first?.arrival);
    });
  }
}
