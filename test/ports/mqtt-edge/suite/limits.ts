import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnectPacket, ISubackPacket, Packet } from "mqtt-packet";
import {
  codeOf,
  nameOf,
  publishPacket,
  Rig,
  type StartEdge,
  subscribePacket,
  TELEMETRY,
  VERSIONS,
  WAIT,
} from "./subject.ts";

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

  for (const version of VERSIONS)
    test(`${nameOf(version)}: one connection over the limit is refused with ${version === 5 ? "0x97" : "3"}, TCP and WebSocket counted together; when one leaves there is room`, async (t) => {
      const rig = await Rig.start(t, start, { maxConnections: 2 });
      const first = await rig.connect(4, { clientId: "1" });
      await rig.connect(5, { clientId: "2" }, "ws");
      for (const scheme of ["mqtt", "ws"] as const) {
        const [client, answer] = await rig.ask(version, { clientId: "3" }, scheme);
        assert.equal(codeOf(answer), version === 5 ? 0x97 : 3);
        assert.equal(await client.next(), "closed");
      }
      await t.waitFor(() => assert.equal(rig.edge.connections, 2), WAIT);
      first.cut();
      await t.waitFor(() => assert.equal(rig.edge.connections, 1), WAIT);
      await rig.connect(4, { clientId: "3" });
    });

  for (const version of VERSIONS) {
    for (const limit of [2, 0])
      test(`${nameOf(version)}: ${limit ? `one connection of a device over its limit is refused with ${version === 5 ? "0x97" : "3"}; others' are not, a client id that is connected is not, and when one leaves there is room` : "without a limit a device has as many connections as it likes"}`, async (t) => {
        const rig = await Rig.start(t, start, { maxConnectionsPerDevice: limit });
        await rig.connect(version, { clientId: "1" });
        await rig.connect(version, { clientId: "2" });
        const [third, answer] = await rig.ask(version, { clientId: "3" });
        if (limit === 0) {
          assert.equal(codeOf(answer), 0, "what is refused below is refused by the limit");
          return;
        }
        assert.equal(codeOf(answer), version === 5 ? 0x97 : 3);
        assert.equal(await third.next(), "closed");
        await rig.connect(version, { clientId: "3", username: "boiler-8" });
        const again = await rig.connect(version, { clientId: "2" });
        again.cut();
        await t.waitFor(() => assert.equal(rig.edge.connections, 2), WAIT);
        await rig.connect(version, { clientId: "3" });
      });

    for (const limit of [5, 0])
      test(`${nameOf(version)}: a device that connects ${limit ? `over its rate is refused with ${version === 5 ? "0x9F" : "3"} before the registry is asked` : "as often gets in where there is no limit"}; others get in, and a wrong password is not its doing`, async (t) => {
        let ms = 1_767_225_600_000;
        const rig = await Rig.start(t, start, { maxControlPacketsPerSecond: limit, now: () => ms * 1000 });
        let asked = 0;
        const { check } = rig.platform;
        rig.platform.check = (device, secret) => {
          asked++;
          return check(device, secret);
        };
        const code = async (fields?: Partial<IConnectPacket>) => {
          const [client, answer] = await rig.ask(version, fields);
          client.cut();
          return codeOf(answer);
        };
        for (let n = 0; n < 10; n++) assert.notEqual(await code({ password: Buffer.from("wrong") }), 0);
        asked = 0;
        // It stays: a device that is gone for a second begins anew, and the clock here stands still.
        await rig.connect(version, { clientId: "stays" });
        for (let n = 1; n < 5; n++) assert.equal(await code(), 0);
        const tooOften = version === 5 ? 0x9f : 3;
        for (let n = 0; n < 5; n++) assert.equal(await code(), limit ? tooOften : 0);
        assert.equal(asked, limit ? 5 : 10);
        assert.equal(await code({ username: "boiler-8" }), 0);
        ms += 200;
        assert.equal(await code(), 0, "a fifth of a second brings one of five");
      });

    test(`${nameOf(version)}: of CONNECTs sent at once no more get in than the rate allows`, async (t) => {
      const rig = await Rig.start(t, start, { maxControlPacketsPerSecond: 5, now: () => 1_767_225_600_000_000 });
      const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => rig.ask(version, { clientId: `c-${n}` })));
      assert.equal(answers.filter(([, answer]) => codeOf(answer) === 0).length, 5);
    });

    test(`${nameOf(version)}: a device over its message rate is ended${version === 5 ? " with 0x96" : ""}; others are not, and a reconnect brings no more`, async (t) => {
      const rig = await Rig.start(t, start, { maxMessagesPerSecond: 5, now: () => 1_767_225_600_000_000 });
      const client = await rig.connect(version);
      const other = await rig.connect(version, { username: "boiler-8" });
      client.send(...[1, 2, 3, 4, 5].map((id) => publishPacket(id, `${id}`)));
      assert.equal((await client.answers(5)).length, 5);
      client.send(publishPacket(6, "6"));
      const end = version === 5 ? ["disconnect 0x96", "closed"] : ["closed"];
      assert.deepEqual(await client.answers(end.length), end);
      const again = await rig.connect(version);
      again.send(publishPacket(6, "6"));
      assert.deepEqual(await again.answers(end.length), end);
      other.send(publishPacket(1, "other", { topic: "devices/me/telemetry" }));
      assert.deepEqual(await other.answers(1), ["puback 1"]);
      assert.deepEqual(rig.platform.texts, ["1", "2", "3", "4", "5", "other"]);
    });

    const asking: [what: string, packet: (id: number) => Packet][] = [
      ["SUBSCRIBE", (id: number) => subscribePacket(id, "devices/me/config")],
      ["UNSUBSCRIBE", (id: number) => ({ cmd: "unsubscribe", messageId: id, unsubscriptions: ["a"] })],
      ["PINGREQ", () => ({ cmd: "pingreq" })],
    ];
    // Below MQTT 5 the first one ends the connection.
    if (version === 5) asking.push(["refused PUBLISH", (id) => publishPacket(id, "x", { topic: "not/mine" })]);
    for (const [what, packet] of asking)
      test(`${nameOf(version)}: a device over its rate of control packets, here ${what}, is ended${version === 5 ? " with 0x96" : ""}; messages do not count`, async (t) => {
        const rig = await Rig.start(t, start, { maxControlPacketsPerSecond: 6, now: () => 1_767_225_600_000_000 });
        // The sixth, or rather the first.
        const client = await rig.connect(version);
        client.send(...[1, 2, 3, 4, 5].map(packet));
        assert.equal((await client.answers(5)).length, 5);
        for (let id = 10; id < 20; id++) client.send(publishPacket(id, `${id}`));
        assert.equal((await client.answers(10)).length, 10);
        client.send(...[6, 7, 8].map(packet));
        const answers = await client.answers(version === 5 ? 2 : 1);
        assert.deepEqual(answers, version === 5 ? ["disconnect 0x96", "closed"] : ["closed"]);
      });

    for (const [what, topic] of [
      ["too long", `devices/me/${"x".repeat(60)}`],
      ["too deep", "a/b/c/d/e/f"],
      ["a wildcard", "devices/+/telemetry"],
    ] as const)
      test(`${nameOf(version)}: a topic that is ${what} is refused${version === 5 ? " with 0x90" : " by closing the connection"}`, async (t) => {
        const rig = await Rig.start(t, start, { maxTopicBytes: 64, maxTopicLevels: 5 });
        const client = await rig.connect(version);
        // No client library sends a wildcard: it is put in place of as many bytes.
        const bytes = client.bytes(publishPacket(1, "x", { topic: topic.replace("+", "p") }));
        client.write(Buffer.from(bytes.toString("latin1").replace("devices/p/", "devices/+/"), "latin1"));
        assert.deepEqual(await client.answers(1), version === 5 ? ["puback 1 0x90"] : ["closed"]);
        assert.equal(rig.platform.received.length, 0);
      });

    test(`${nameOf(version)}: one subscription over the limit is refused with ${version === 5 ? "0x97" : "0x80"}; one that is there may be renewed`, async (t) => {
      const rig = await Rig.start(t, start, { maxSubscriptions: 2 });
      rig.platform.maySubscribe = () => true;
      const client = await rig.connect(version);
      const code = version === 5 ? 0x97 : 0x80;
      client.send(subscribePacket(1, "a", "b", "c", "d"));
      assert.deepEqual(((await client.next()) as ISubackPacket).granted, [1, 1, code, code]);
      client.send(subscribePacket(2, "b", "e"));
      assert.deepEqual(((await client.next()) as ISubackPacket).granted, [1, code]);
      client.send({ cmd: "unsubscribe", messageId: 3, unsubscriptions: ["a"] });
      await client.next();
      client.send(subscribePacket(4, "e"));
      assert.deepEqual(((await client.next()) as ISubackPacket).granted, [1]);
    });
  }

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
