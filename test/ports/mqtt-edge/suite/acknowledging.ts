import assert from "node:assert/strict";
import { test } from "node:test";
import type { IPubackPacket } from "mqtt-packet";
import { Reason, Refusal, Unstored } from "../../../../services/mqtt-bridge/edge/reason.ts";
import { nameOf, publishPacket, Rig, type StartEdge, VERSIONS, WAIT } from "./subject.ts";

export function acknowledging(start: StartEdge): void {
  for (const version of VERSIONS)
    for (const [qos, answer] of [
      [1, "puback"],
      [2, "pubrec"],
    ] as const) {
      test(`${nameOf(version)}: ${answer.toUpperCase()} leaves only after the message is durable`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.hold = true;
        const client = await rig.connect(version);
        client.send(publishPacket(7, "a", { qos }));
        await t.waitFor(() => assert.equal(rig.platform.held.length, 1), WAIT);
        assert.deepEqual(await client.early(), []);
        rig.platform.held[0]?.done();
        assert.deepEqual(await client.answers(1), [`${answer} 7`]);
      });

      test(`${nameOf(version)}: ${answer.toUpperCase()}s leave in the order of their PUBLISHes, whatever the order of commits`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.hold = true;
        const client = await rig.connect(version);
        client.send(...[5, 3, 9].map((id) => publishPacket(id, `${id}`, { qos })));
        await t.waitFor(() => assert.equal(rig.platform.held.length, 3), WAIT);
        const [first, second, third] = rig.platform.held;
        third?.done();
        second?.done();
        assert.deepEqual(await client.early(), []);
        first?.done();
        assert.deepEqual(await client.answers(3), [`${answer} 5`, `${answer} 3`, `${answer} 9`]);
      });

      test(`${nameOf(version)}: a QoS ${qos} message that could not be stored is not acknowledged`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.commit = async (text) => {
          if (text === "lost") throw new Error("disk is gone");
        };
        const client = await rig.connect(version);
        client.send(publishPacket(1, "kept", { qos }));
        assert.deepEqual(await client.answers(1), [`${answer} 1`]);
        client.send(publishPacket(2, "lost", { qos }));
        // Any PUBACK, a negative one too, would end the message for the client.
        assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x89", "closed"] : ["closed"]);
        rig.platform.commit = async () => undefined;
        const again = await rig.connect(version);
        again.send(publishPacket(2, "lost", { qos }));
        assert.deepEqual(await again.answers(1), [`${answer} 2`], "it is taken as soon as the disk is back");
      });

      test(`${nameOf(version)}: while the channel is full a QoS ${qos} message is left unacknowledged and the connection ended${version === 5 ? " with 0x97" : ""}`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.commit = async () => {
          throw new Unstored("too many messages wait", Reason.quotaExceeded);
        };
        const client = await rig.connect(version);
        client.send(publishPacket(1, "a", { qos }));
        assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x97", "closed"] : ["closed"]);
      });

      test(`${nameOf(version)}: what was stored before an outage is acknowledged before the connection ends, and nothing after`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.hold = true;
        const client = await rig.connect(version);
        client.send(...[1, 2, 3].map((id) => publishPacket(id, `${id}`, { qos })));
        await t.waitFor(() => assert.equal(rig.platform.held.length, 3), WAIT);
        const [first, second, third] = rig.platform.held;
        first?.done();
        second?.fail(new Error("disk is gone"));
        third?.fail(new Error("disk is gone"));
        const end = version === 5 ? ["disconnect 0x89", "closed"] : ["closed"];
        assert.deepEqual(await client.answers(1 + end.length), [`${answer} 1`, ...end]);
      });

      test(`${nameOf(version)}: a QoS ${qos} payload kept as a rejected message is ${version === 5 ? "answered 0x99 with the reason" : "acknowledged: it need not come again"}`, async (t) => {
        const rig = await Rig.start(t, start);
        rig.platform.commit = async () => new Refusal(Reason.payloadFormatInvalid, "temperature: must be a number");
        const client = await rig.connect(version);
        client.send(publishPacket(1, "a", { qos }));
        const answered = await client.next();
        if (version === 4) assert.partialDeepStrictEqual(answered, { cmd: answer, messageId: 1 });
        else
          assert.partialDeepStrictEqual(answered, {
            cmd: answer,
            messageId: 1,
            reasonCode: 0x99,
            properties: { reasonString: "temperature: must be a number" },
          });
        rig.platform.commit = async () => undefined;
        client.send(publishPacket(2, "b", { qos }));
        assert.deepEqual(await client.answers(1), [`${answer} 2`], "the connection stays");
      });
    }

  test("MQTT 5: who asked for no problem information gets the code without the text (section 3.1.2.11.7)", async (t) => {
    const rig = await Rig.start(t, start);
    rig.platform.commit = async () => new Refusal(Reason.payloadFormatInvalid, "a reason");
    const client = await rig.connect(5, { properties: { requestProblemInformation: false } });
    client.send(publishPacket(1, "a"));
    const { cmd, reasonCode, properties } = (await client.next()) as IPubackPacket;
    assert.deepEqual({ cmd, reasonCode, properties }, { cmd: "puback", reasonCode: 0x99, properties: undefined });
  });

  test("MQTT 5: a text that the client has no room for is left out, a long one cut (MQTT-3.4.2-2)", async (t) => {
    const rig = await Rig.start(t, start);
    rig.platform.commit = async () => new Refusal(Reason.payloadFormatInvalid, "é".repeat(5000));
    const small = await rig.connect(5, { clientId: "small", properties: { maximumPacketSize: 100 } });
    small.send(publishPacket(1, "a"));
    assert.deepEqual(await small.answers(1), ["puback 1 0x99"]);
    const client = await rig.connect(5);
    client.send(publishPacket(1, "a"));
    assert.partialDeepStrictEqual(await client.next(), { properties: { reasonString: "é".repeat(256) } });
  });
}
