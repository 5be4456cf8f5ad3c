import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { packet, properties, text } from "./bytes.ts";
import { SECRET } from "./platform.ts";
import type { Version } from "./raw-client.ts";
import {
  codeOf,
  connectPacket,
  DEVICE,
  nameOf,
  publishPacket,
  Rig,
  type StartEdge,
  TELEMETRY,
  VERSIONS,
} from "./subject.ts";

interface Violation {
  /** After the packet's variable header where MQTT 5 has properties. */
  bytes: (properties: Buffer) => Buffer;
  /** Reason code of the DISCONNECT. */
  code: number;
  /** MQTT 5 only. */
  five?: true;
}

const ID = [0, 1];
const NO_ID = [0, 0];
const QOS_1 = 0x32;
const filter = Buffer.concat([text("devices/me/config"), Buffer.of(1)]);
/** A PUBLISH of QoS 1 to the device's telemetry. */
const publish = (hex: string, topic: string | Buffer = TELEMETRY) =>
  packet(QOS_1, text(topic), ID, properties(hex), Buffer.from("x"));
const pair = (name: string | Buffer, value: string) => `26${Buffer.concat([text(name), text(value)]).toString("hex")}`;
const textProperty = (id: string, value: string) => id + text(value).toString("hex");
const NOT_UTF8: Record<string, Buffer> = {
  "bytes that are not UTF-8": Buffer.from("devices/\xff/telemetry", "latin1"),
  "a surrogate": Buffer.from("devices/\xed\xa0\x80/telemetry", "latin1"),
  "U+0000": Buffer.from("devices/\0/telemetry"),
};

const VIOLATIONS: Record<string, Violation> = {
  "a PUBLISH with QoS 3": { bytes: (none) => packet(0x36, text(TELEMETRY), ID, none), code: 0x81 },
  "a PUBLISH with packet id 0": { bytes: (none) => packet(QOS_1, text(TELEMETRY), NO_ID, none), code: 0x82 },
  "a PUBLISH without topic and alias": { bytes: (none) => packet(QOS_1, text(""), ID, none), code: 0x82 },
  "a SUBSCRIBE with reserved flags": { bytes: (none) => packet(0x80, ID, none, filter), code: 0x81 },
  "a SUBSCRIBE without filters": { bytes: (none) => packet(0x82, ID, none), code: 0x82 },
  "a SUBSCRIBE with packet id 0": { bytes: (none) => packet(0x82, NO_ID, none, filter), code: 0x82 },
  "a SUBSCRIBE with QoS 3": { bytes: (none) => packet(0x82, ID, none, text("a"), [3]), code: 0x81 },
  "a SUBSCRIBE with reserved options": { bytes: (none) => packet(0x82, ID, none, text("a"), [0xc0]), code: 0x81 },
  "a SUBSCRIBE with Retain Handling 3": {
    bytes: (none) => packet(0x82, ID, none, text("a"), [0x30]),
    code: 0x82,
    five: true,
  },
  "an UNSUBSCRIBE with reserved flags": { bytes: (none) => packet(0xa0, ID, none, text("a")), code: 0x81 },
  "an UNSUBSCRIBE without filters": { bytes: (none) => packet(0xa2, ID, none), code: 0x82 },
  "an UNSUBSCRIBE with packet id 0": { bytes: (none) => packet(0xa2, NO_ID, none, text("a")), code: 0x82 },
  "a PUBACK with reserved flags": { bytes: () => packet(0x41, ID), code: 0x81 },
  "a PUBACK with packet id 0": { bytes: () => packet(0x40, NO_ID), code: 0x82 },
  "a PUBREL with reserved flags": { bytes: () => packet(0x60, ID), code: 0x81 },
  "a PUBREL with packet id 0": { bytes: () => packet(0x62, NO_ID), code: 0x82 },
  "a PINGREQ with reserved flags": { bytes: () => packet(0xc1), code: 0x81 },
  "a DISCONNECT with reserved flags": { bytes: () => packet(0xe1), code: 0x81 },
  "packet type 0": { bytes: () => packet(0x00), code: 0x81 },
  "a length without end": { bytes: () => Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x7f), code: 0x81 },
  "a CONNACK": { bytes: () => packet(0x20, [0, 0, 0]), code: 0x82 },
  "a PINGRESP": { bytes: () => packet(0xd0), code: 0x82 },
  "a second CONNECT": {
    bytes: (none) => packet(0x10, text("MQTT"), [none.length ? 5 : 4, 2, 0, 60], none, text("again")),
    code: 0x82,
  },
  "an AUTH without a method to go on with": { bytes: () => packet(0xf0, [0x18, 0]), code: 0x82, five: true },
  "properties longer than their packet": { bytes: () => packet(0x30, text(TELEMETRY), [9, 1]), code: 0x81, five: true },
  "Topic Alias 0": { bytes: () => publish("230000"), code: 0x94, five: true },
  "a Topic Alias above the maximum": { bytes: () => publish("230011"), code: 0x94, five: true },
  "an unknown Topic Alias": { bytes: () => publish("230001", ""), code: 0x94, five: true },
  "Payload Format Indicator 2": { bytes: () => publish("0102"), code: 0x82, five: true },
  "a Response Topic with a wildcard": { bytes: () => publish(textProperty("08", "a/#")), code: 0x82, five: true },
  "a property of another packet": { bytes: () => publish("1100000001"), code: 0x81, five: true },
  "an unknown property": { bytes: () => publish("7f00"), code: 0x81, five: true },
  "a Subscription Identifier in a PUBLISH": { bytes: () => publish("0b01"), code: 0x81, five: true },
  "Subscription Identifier 0": {
    bytes: () => packet(0x82, ID, properties("0b00"), filter),
    code: 0x82,
    five: true,
  },
  "two Subscription Identifiers": {
    bytes: () => packet(0x82, ID, properties("0b010b02"), filter),
    code: 0x82,
    five: true,
  },
  "Payload Format Indicator 0 twice": { bytes: () => publish("01000100"), code: 0x82, five: true },
  "Content Type twice, the first empty": {
    bytes: () => publish(`030000${textProperty("03", "a")}`),
    code: 0x82,
    five: true,
  },
  "Reason String twice in a DISCONNECT": {
    bytes: () => packet(0xe0, [0], properties("1f0001611f000162")),
    code: 0x82,
    five: true,
  },
  "a text that ends behind its properties": {
    bytes: () => packet(QOS_1, text(TELEMETRY), ID, [3, 3, 0, 9], Buffer.from("xxxxxxxxx")),
    code: 0x81,
    five: true,
  },
};
for (const [what, topic] of Object.entries(NOT_UTF8)) {
  VIOLATIONS[`a topic with ${what}`] = { bytes: (none) => packet(QOS_1, text(topic), ID, none), code: 0x81 };
  VIOLATIONS[`a filter with ${what}`] = { bytes: (none) => packet(0x82, ID, none, text(topic), [1]), code: 0x81 };
  VIOLATIONS[`a filter to unsubscribe with ${what}`] = {
    bytes: (none) => packet(0xa2, ID, none, text(topic)),
    code: 0x81,
  };
  VIOLATIONS[`a user property with ${what}`] = { bytes: () => publish(pair(topic, "x")), code: 0x81, five: true };
}

/** When a violation comes, seen from CONNACK. */
const MOMENTS: Record<string, (rig: Rig, version: Version, bytes: Buffer) => Promise<string[]>> = {
  "in one write with CONNECT": async (rig, version, bytes) => {
    const client = rig.open(version);
    client.write(Buffer.concat([client.bytes(connectPacket(version)), bytes]));
    return client.untilClosed();
  },
  "behind CONNECT, before its answer": async (rig, version, bytes) => {
    const { check } = rig.platform;
    rig.platform.check = async (device, secret) => {
      await sleep(30);
      return check(device, secret);
    };
    const client = rig.open(version);
    client.send(connectPacket(version));
    await sleep(10);
    client.write(bytes);
    return client.untilClosed();
  },
  "at once after CONNACK": async (rig, version, bytes) => {
    const client = await rig.connect(version);
    client.write(bytes);
    return ["connack", ...(await client.untilClosed())];
  },
};

interface Malformed {
  connect: (version: Version) => Buffer;
  /** Of the CONNACK; undefined: the version was not read, and the connection is closed. */
  code?: number;
  /** MQTT 5 only. */
  five?: true;
}
const flags =
  (bits: number, ...parts: Buffer[]) =>
  (version: Version) =>
    packet(
      0x10,
      text("MQTT"),
      [version, bits, 0, 60],
      version === 5 ? [0] : [],
      ...(parts.length > 0 ? parts : [text("c-1"), text(DEVICE.deviceId), text(SECRET)]),
    );
const withProperties = (hex: string) => () =>
  packet(0x10, text("MQTT"), [5, 0xc2, 0, 60], properties(hex), text("c-1"), text(DEVICE.deviceId), text(SECRET));
const withWill =
  (willFlags: number, willProperties = "") =>
  (version: Version) =>
    packet(
      0x10,
      text("MQTT"),
      [version, 0xc6 | willFlags, 0, 60],
      version === 5 ? [0] : [],
      text("c-1"),
      version === 5 ? properties(willProperties) : [],
      text(TELEMETRY),
      text("gone"),
      text(DEVICE.deviceId),
      text(SECRET),
    );

const MALFORMED_CONNECTS: Record<string, Malformed> = {
  "a reserved connect flag": { connect: flags(0xc3), code: 0x81 },
  "reserved flags": {
    connect: (version) => {
      const bytes = flags(0xc2)(version);
      bytes[0] = 0x11;
      return bytes;
    },
  },
  "a will of QoS 3": { connect: withWill(0x18), code: 0x81 },
  "a will QoS without a will": { connect: flags(0xca), code: 0x81 },
  "a client id that is not UTF-8": {
    connect: flags(0xc2, text(Buffer.of(0xff)), text(DEVICE.deviceId), text(SECRET)),
    code: 0x81,
  },
  "U+0000 in the user name": { connect: flags(0xc2, text("c-1"), text("boiler-7\0"), text(SECRET)), code: 0x81 },
  "an end before its password": { connect: flags(0xc2, text("c-1"), text(DEVICE.deviceId)), code: 0x81 },
  "Receive Maximum 0": { connect: withProperties("210000"), code: 0x82, five: true },
  "Maximum Packet Size 0": { connect: withProperties("2700000000"), code: 0x82, five: true },
  "Session Expiry Interval 0 twice": { connect: withProperties("11000000001100000000"), code: 0x82, five: true },
  "Receive Maximum twice": { connect: withProperties("210005210005"), code: 0x82, five: true },
  "Session Expiry Interval cut short": { connect: withProperties("1100"), code: 0x81, five: true },
  "Request Problem Information 2": { connect: withProperties("1702"), code: 0x82, five: true },
  "a will's Will Delay Interval outside its will": { connect: withProperties("1800000001"), code: 0x81, five: true },
  "a will's Response Topic with a wildcard": {
    connect: withWill(0, textProperty("08", "a/+")),
    code: 0x82,
    five: true,
  },
};

/** What breaks the protocol is refused with the reason code that the standard has for it. */
export function strictness(start: StartEdge): void {
  for (const version of VERSIONS) {
    for (const [what, { bytes, code, five }] of Object.entries(VIOLATIONS)) {
      if (five && version !== 5) continue;
      const end = version === 5 ? [`disconnect 0x${code.toString(16)}`, "closed"] : ["closed"];
      test(`${nameOf(version)}: ${what} ends the connection${version === 5 ? ` with 0x${code.toString(16)}` : ""}, whenever it comes, and no other`, async (t) => {
        const rig = await Rig.start(t, start);
        const witness = await rig.connect(version, { clientId: "witness" });
        for (const [moment, during] of Object.entries(MOMENTS)) {
          const answers = await during(rig, version, bytes(version === 5 ? Buffer.of(0) : Buffer.alloc(0)));
          // 3.1.1 has nothing to say, CONNACK or not.
          if (version === 5) assert.deepEqual(answers, ["connack", ...end], moment);
          else assert.deepEqual(answers.slice(-1), end, moment);
        }
        witness.send(publishPacket(1, "a"));
        assert.deepEqual(await witness.answers(1), ["puback 1"]);
        assert.deepEqual(rig.platform.texts, ["a"]);
      });
    }

    for (const [what, { connect, code, five }] of Object.entries(MALFORMED_CONNECTS)) {
      if (five && version !== 5) continue;
      test(`${nameOf(version)}: a CONNECT with ${what} is refused${version === 5 && code ? ` with 0x${code.toString(16)}` : " by closing the connection"}, and harms nobody`, async (t) => {
        const rig = await Rig.start(t, start);
        const witness = await rig.connect(version, { clientId: "witness" });
        const client = rig.open(version);
        client.write(connect(version));
        if (version === 5 && code) assert.equal(codeOf((await client.next()) as never), code);
        assert.equal(await client.next(), "closed");
        witness.send(publishPacket(1, "a"));
        assert.deepEqual(await witness.answers(1), ["puback 1"]);
      });
    }
  }

  for (const [what, head, answer] of [
    ["MQTT 3.1", [...text("MQIsdp"), 3], "20020001"],
    ["MQTT 3.1 under the new name", [...text("MQTT"), 3], "20020001"],
    ["MQTT 3.1.1 under the old name", [...text("MQIsdp"), 4], "20020001"],
    ["the private version of bridges", [...text("MQTT"), 0x84], "20020001"],
    ["a version before", [...text("MQTT"), 2], "20020001"],
    ["a version to come", [...text("MQTT"), 6], "2003008400"],
  ] as const)
    test(`${what} is refused: unacceptable protocol version`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = rig.open(4);
      client.write(packet(0x10, head, [0xc2, 0, 60], text("c-1"), text(DEVICE.deviceId), text(SECRET)));
      assert.equal(await client.raw(), answer);
    });
}
