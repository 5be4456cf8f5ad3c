import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf, publishPacket, Rig, type StartEdge, TELEMETRY, VERSIONS, WAIT } from "./subject.ts";

export function limits(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: a packet over the limit ends the connection${version === 5 ? " with 0x95" : ""}; one of just the limit is taken`, async (t) => {
      const rig = await Rig.start(t, start, { maxPacketBytes: 1000 });
      const client = await rig.connect(version);
      const overhead = client.bytes(publishPacket(1, "x".repeat(900))).length - 900;
      client.send(publishPacket(1, "x".repeat(1000 - overhead)));
      assert.deepEqual(await client.answers(1), ["puback 1"]);
      client.send(publishPacket(2, "x".repeat(1001 - overhead)));
      assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x95", "closed"] : ["closed"]);
      assert.equal(rig.platform.received.length, 1);
    });

    test(`${nameOf(version)}: a packet over the limit is refused when its length is known, before its bytes have come`, async (t) => {
      const rig = await Rig.start(t, start, { maxPacketBytes: 1000 });
      const client = await rig.connect(version);
      client.write(Buffer.of(0x32, 0xff, 0xff, 0xff, 0x7f, 0x00));
      assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x95", "closed"] : ["closed"]);
    });
  }

  test("one connection over the limit is closed at once, TCP and WebSocket counted together; when one leaves there is room", async (t) => {
    const rig = await Rig.start(t, start, { maxConnections: 2 });
    const first = await rig.connect(4, { clientId: "1" });
    await rig.connect(5, { clientId: "2" }, "ws");
    for (const scheme of ["mqtt", "ws"] as const) assert.equal(await rig.open(4, scheme).next(), "closed");
    assert.equal(rig.edge.connections, 2);
    first.cut();
    await t.waitFor(() => assert.equal(rig.edge.connections, 1), WAIT);
    await rig.connect(4, { clientId: "3" });
  });

  for (const scheme of ["mqtt", "ws"] as const)
    test(`a connection over ${scheme} that sends no CONNECT is closed`, async (t) => {
      const rig = await Rig.start(t, start, { connectTimeoutMs: 100 });
      assert.equal(await rig.open(5, scheme).next(), "closed");
    });

  test("MQTT 5: a device that is silent beyond its keep-alive is closed", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5, { keepalive: 1 });
    while ((await client.next()) !== "closed");
    await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
  });

  test("MQTT 5: a topic alias stands for its topic; foreign topics are refused by alias, too (MQTT 5.0 section 3.3.2.3.4)", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5);
    const aliased = (id: number, topicAlias: number, topic = "") =>
      publishPacket(id, `${id}`, { topic, properties: { topicAlias } });
    client.send(aliased(1, 1, TELEMETRY), aliased(2, 1), aliased(3, 2, "devices/boiler-8/telemetry"), aliased(4, 2));
    assert.deepEqual(await client.answers(4), ["puback 1", "puback 2", "puback 3 0x87", "puback 4 0x87"]);
    assert.deepEqual(
      rig.platform.received.map(({ topic, text }) => [topic, text]),
      [
        [TELEMETRY, "1"],
        [TELEMETRY, "2"],
      ],
    );
    client.send(aliased(5, 9));
    assert.deepEqual(await client.answers(2), ["disconnect 0x94", "closed"]);
  });
}
