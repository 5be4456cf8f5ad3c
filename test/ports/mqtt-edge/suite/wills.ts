import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, nameOf, publishPacket, Rig, type StartEdge, TELEMETRY, VERSIONS, WAIT } from "./subject.ts";

const will = (topic = TELEMETRY) => ({ topic, payload: Buffer.from("gone"), qos: 1 as const, retain: false });

export function wills(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: the will of a device that vanishes is received as its message`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, { will: will() });
      client.cut();
      await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
      assert.partialDeepStrictEqual(rig.platform.received[0], { device: "default/boiler-7", topic: TELEMETRY });
    });

    test(`${nameOf(version)}: the will of a device that is taken over is received, too`, async (t) => {
      const rig = await Rig.start(t, start);
      await rig.connect(version, { will: will() });
      await rig.connect(version);
      await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
    });

    test(`${nameOf(version)}: a device that says goodbye leaves no will`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version, { will: will() });
      client.send({ cmd: "disconnect" });
      assert.equal(await client.next(), "closed");
      const next = await rig.connect(version);
      next.send(publishPacket(1, "back"));
      await next.answers(1);
      assert.deepEqual(rig.platform.texts, ["back"]);
    });

    for (const topic of ["devices/boiler-8/telemetry", "devices/boiler-7/commands/1/x", "#"])
      test(`${nameOf(version)}: a CONNECT with a will to ${topic} is refused`, async (t) => {
        const rig = await Rig.start(t, start);
        const [client, answer] = await rig.ask(version, { will: will(topic) });
        assert.equal(codeOf(answer), version === 5 ? 0x87 : 5);
        assert.equal(await client.next(), "closed");
        assert.deepEqual(rig.platform.texts, []);
      });

    test(`${nameOf(version)}: who is refused leaves no will`, async (t) => {
      const rig = await Rig.start(t, start);
      const [client] = await rig.ask(version, { will: will(), password: Buffer.from("wrong") });
      assert.equal(await client.next(), "closed");
      const next = await rig.connect(version);
      next.send(publishPacket(1, "other"));
      await next.answers(1);
      assert.deepEqual(rig.platform.texts, ["other"]);
    });
  }

  test("MQTT 5: a DISCONNECT with 0x04 leaves the will (MQTT 5.0 section 3.14.2.1)", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5, { will: will() });
    client.send({ cmd: "disconnect", reasonCode: 4 });
    await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
  });

  test("MQTT 5: a delayed will is received after its delay, and not where the device is back before", async (t) => {
    const rig = await Rig.start(t, start);
    const delayed = { ...will(), properties: { willDelayInterval: 1, contentType: "application/cbor" } };
    const kept = { will: delayed, properties: { sessionExpiryInterval: 60 } };
    const back = await rig.connect(5, { ...kept, clientId: "back" });
    const away = await rig.connect(5, { ...kept, clientId: "away" });
    back.cut();
    away.cut();
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
    await rig.connect(5, { clientId: "back", clean: false });
    assert.deepEqual(rig.platform.texts, []);
    await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
    assert.equal(rig.platform.received[0]?.contentType, "application/cbor");
  });

  test("a will that can't be stored harms nobody else", async (t) => {
    const rig = await Rig.start(t, start);
    rig.platform.commit = async (text) => {
      if (text === "gone") throw new Error("disk is gone");
    };
    const client = await rig.connect(4, { will: will() });
    client.cut();
    await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
    const next = await rig.connect(4);
    next.send(publishPacket(1, "a"));
    assert.deepEqual(await next.answers(1), ["puback 1"]);
  });
}
