import assert from "node:assert/strict";
import { test } from "node:test";
import { packet, text } from "./bytes.ts";
import { SECRET } from "./platform.ts";
import { DEVICE, kept, nameOf, publishPacket, Rig, type StartEdge, TELEMETRY, VERSIONS } from "./subject.ts";

/** Bytes that are no MQTT, after a CONNECT or without one. */
const MALFORMED: Record<string, Buffer> = {
  "an HTTP request": Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
  "packet type 0": Buffer.of(0x00, 0x00),
  "a packet type with reserved flags": Buffer.of(0x6f, 0x02, 0x00, 0x01),
  "a length without end": Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f),
  "a PUBLISH with QoS 3": Buffer.of(0x36, 0x05, 0x00, 0x01, 0x61, 0x00, 0x01),
  "a PUBLISH whose topic is longer than the packet": Buffer.of(0x32, 0x04, 0xff, 0xff, 0x61, 0x61),
  "a PUBLISH that ends before its packet id": Buffer.of(0x32, 0x03, 0x00, 0x01, 0x61),
  "an empty PUBLISH": Buffer.of(0x30, 0x00),
  "an empty SUBSCRIBE": Buffer.of(0x82, 0x00),
  "an empty PUBREL": Buffer.of(0x62, 0x00),
  "a CONNECT of version 77": Buffer.from([0x10, 0x0c, 0, 4, ...Buffer.from("MQTT"), 77, 2, 0, 0, 0, 0]),
  "a CONNECT of no protocol": Buffer.from([0x10, 0x0c, 0, 4, ...Buffer.from("XXXX"), 4, 2, 0, 0, 0, 0]),
  "random bytes": Buffer.from("c3f7a1009b55e2000d17ffeedd0102034a5b6c7d8e9fa0b1", "hex"),
};

/** Properties that are given twice or end before their value does (MQTT 5.0 section 2.2.2.2), in hexadecimal. */
const MALFORMED_PROPERTIES: Record<string, { hex: string; connack: number; disconnect: number }> = {
  "Session Expiry Interval twice": { hex: "110000003c110000003c", connack: 0x82, disconnect: 0x82 },
  "Session Expiry Interval cut short": { hex: "1100", connack: 0x81, disconnect: 0x81 },
  "Receive Maximum twice": { hex: "210005210005", connack: 0x82, disconnect: 0x81 },
  "Maximum Packet Size twice": { hex: "27000fffff27000fffff", connack: 0x82, disconnect: 0x81 },
  "Reason String twice": { hex: "1f0001611f000162", connack: 0x81, disconnect: 0x82 },
};

export function malformed(start: StartEdge): void {
  for (const [what, { hex, connack, disconnect }] of Object.entries(MALFORMED_PROPERTIES)) {
    const properties = Buffer.from(hex, "hex");
    const withLength = (bytes: Buffer) => Buffer.concat([Buffer.of(bytes.length), bytes]);

    test(`MQTT 5: a CONNECT with ${what} is refused and harms nobody`, async (t) => {
      const rig = await Rig.start(t, start);
      const witness = await rig.connect(5, { clientId: "witness" });
      const header = Buffer.concat([text("MQTT"), Buffer.of(5, 0xc2, 0, 60), withLength(properties)]);
      const rest = Buffer.concat([header, text("c-1"), text(DEVICE.deviceId), text(SECRET)]);
      const client = rig.open(5);
      client.write(Buffer.concat([Buffer.of(0x10), withLength(rest)]));
      assert.deepEqual(await client.answers(2), [`connack 0x${connack.toString(16)}`, "closed"]);
      witness.send(publishPacket(1, "a"));
      assert.deepEqual(await witness.answers(1), ["puback 1"]);
    });

    test(`MQTT 5: a DISCONNECT with ${what} ends its connection and harms nobody`, async (t) => {
      const rig = await Rig.start(t, start);
      const witness = await rig.connect(5, { clientId: "witness" });
      const client = await rig.connect(5, kept(5));
      client.write(Buffer.concat([Buffer.of(0xe0), withLength(Buffer.concat([Buffer.of(0), withLength(properties)]))]));
      assert.deepEqual(await client.answers(2), [`disconnect 0x${disconnect.toString(16)}`, "closed"]);
      witness.send(publishPacket(1, "a"));
      assert.deepEqual(await witness.answers(1), ["puback 1"]);
    });
  }

  for (const version of VERSIONS)
    for (const [what, bytes] of Object.entries(MALFORMED))
      for (const scheme of ["mqtt", "ws"] as const)
        test(`${nameOf(version)} over ${scheme}: ${what} ends that connection and no other`, async (t) => {
          const rig = await Rig.start(t, start, { connectTimeoutMs: 500 });
          const witness = await rig.connect(version, { clientId: "witness" });
          const stranger = rig.open(version, scheme);
          stranger.write(bytes);
          const client = await rig.connect(version, {}, scheme);
          client.write(bytes);
          while ((await client.next()) !== "closed");
          while ((await stranger.next()) !== "closed");
          witness.send(publishPacket(1, "a"));
          assert.deepEqual(await witness.answers(1), ["puback 1"]);
          assert.deepEqual(rig.platform.texts, ["a"]);
        });

  for (const version of VERSIONS)
    for (const qos of [1, 2] as const)
      for (const [what, id, code] of [
        ["packet id 0", [0, 0], "0x82"],
        ["no packet id", [], "0x81"],
      ] as const)
        test(`${nameOf(version)}: a QoS ${qos} PUBLISH with ${what} is stored nowhere and ends the connection (MQTT-2.2.1-3)`, async (t) => {
          const rig = await Rig.start(t, start);
          const client = await rig.connect(version);
          const topic = Buffer.from(TELEMETRY);
          const properties = version === 5 && id.length > 0 ? [0] : [];
          client.write(packet(0x30 | (qos << 1), text(topic), id, properties));
          assert.deepEqual(
            await client.answers(version - 3),
            version === 5 ? [`disconnect ${code}`, "closed"] : ["closed"],
          );
          assert.deepEqual(rig.platform.texts, []);
        });

  for (const topic of ["", "devices/+/telemetry", "#", `${TELEMETRY}/`.repeat(200)])
    test(`a PUBLISH to the impossible topic '${topic.slice(0, 30)}' stores nothing and harms nobody`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(4);
      client.send(publishPacket(1, "x", { topic: topic || "x" }));
      if (topic === "") client.write(Buffer.of(0x32, 0x05, 0x00, 0x00, 0x00, 0x01, 0x78));
      assert.deepEqual(await client.answers(1), ["closed"]);
      const next = await rig.connect(4);
      next.send(publishPacket(1, "a"));
      assert.deepEqual(await next.answers(1), ["puback 1"]);
      assert.deepEqual(rig.platform.texts, ["a"]);
    });

  test("a subscription of too many levels is refused and harms nobody", async (t) => {
    const rig = await Rig.start(t, start);
    const client = await rig.connect(5);
    client.send({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "a/".repeat(200), qos: 1 }] });
    assert.partialDeepStrictEqual(await client.next(), { cmd: "suback", granted: [0x87] });
    client.send({ cmd: "unsubscribe", messageId: 2, unsubscriptions: ["a/".repeat(200)] });
    const next = await rig.connect(5, { clientId: "next" });
    next.send(publishPacket(1, "a"));
    assert.deepEqual(await next.answers(1), ["puback 1"]);
  });
}
