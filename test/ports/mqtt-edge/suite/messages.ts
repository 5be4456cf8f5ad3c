import assert from "node:assert/strict";
import { test } from "node:test";
import { Reason, Refusal } from "../../../../services/mqtt-bridge/edge/reason.ts";
import { nameOf, publishPacket, Rig, type StartEdge, VERSIONS, WAIT } from "./subject.ts";

export function messages(start: StartEdge): void {
  for (const version of VERSIONS) {
    for (const scheme of ["mqtt", "ws"] as const)
      test(`${nameOf(version)} over ${scheme}: of many messages in one chunk each is stored once, in order, and acknowledged`, async (t) => {
        const rig = await Rig.start(t, start);
        const client = await rig.connect(version, {}, scheme);
        const ids = Array.from({ length: 500 }, (_, i) => i + 1);
        client.send(...ids.map((id) => publishPacket(id, `${id}`)));
        assert.deepEqual(
          await client.answers(500),
          ids.map((id) => `puback ${id}`),
        );
        assert.deepEqual(rig.platform.texts, ids.map(String));
      });

    test(`${nameOf(version)}: a message that comes byte by byte is one message`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      for (const byte of client.bytes(publishPacket(300, "x".repeat(200)))) client.write(Buffer.of(byte));
      assert.deepEqual(await client.answers(1), ["puback 300"]);
      assert.deepEqual(rig.platform.texts, ["x".repeat(200)]);
    });

    test(`${nameOf(version)}: QoS 0 is stored and not answered, a failure leaves the connection open`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(publishPacket(0, "a", { qos: 0 }));
      await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["a"]), WAIT);
      rig.platform.commit = async (text) => {
        if (text === "b") throw new Refusal(Reason.quotaExceeded, "full");
        return text === "c" ? new Refusal(Reason.payloadFormatInvalid, "no") : undefined;
      };
      client.send(
        publishPacket(0, "b", { qos: 0 }),
        publishPacket(0, "c", { qos: 0 }),
        publishPacket(1, "d", { qos: 1 }),
      );
      assert.deepEqual(await client.answers(1), ["puback 1"]);
      assert.deepEqual(rig.platform.texts, ["a", "b", "c", "d"]);
    });

    test(`${nameOf(version)}: an empty payload is a message`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(publishPacket(1, ""));
      assert.deepEqual(await client.answers(1), ["puback 1"]);
      assert.deepEqual(rig.platform.texts, [""]);
    });

    test(`${nameOf(version)}: a message of a connection that is gone is stored all the same`, async (t) => {
      const rig = await Rig.start(t, start);
      rig.platform.hold = true;
      const client = await rig.connect(version);
      client.send(publishPacket(1, "a"));
      await t.waitFor(() => assert.equal(rig.platform.held.length, 1), WAIT);
      client.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      rig.platform.held[0]?.done();
      rig.platform.hold = false;
      const next = await rig.connect(version);
      next.send(publishPacket(1, "b"));
      assert.deepEqual(await next.answers(1), ["puback 1"]);
    });
  }

  test("MQTT 5: content type and the user property message-id reach the platform", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5);
    client.send(
      publishPacket(1, "a", {
        properties: { contentType: "application/cbor", userProperties: { "message-id": "m-1" } },
      }),
      publishPacket(2, "b", { properties: { userProperties: { "message-id": ["first", "second"] } } }),
      publishPacket(3, "c"),
    );
    await client.answers(3);
    assert.deepEqual(
      rig.platform.received.map(({ contentType, messageId }) => [contentType, messageId]),
      [
        ["application/cbor", "m-1"],
        [undefined, "first"],
        [undefined, undefined],
      ],
    );
  });
}
