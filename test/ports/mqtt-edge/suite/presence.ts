import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  codeOf,
  DEVICE,
  kept,
  nameOf,
  publishPacket,
  Rig,
  type StartEdge,
  sessionsFile,
  TELEMETRY,
  VERSIONS,
  WAIT,
} from "./subject.ts";

const will = { topic: TELEMETRY, payload: Buffer.from("gone"), qos: 1 as const, retain: false };

/** What the platform is told of devices' connections. */
export function presence(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: the platform is told that a device is connected, and how the connection ended`, async (t) => {
      const rig = await Rig.start(t, start);
      const told = async (...expected: string[]) => {
        await t.waitFor(() => assert.deepEqual(rig.platform.presence, expected), WAIT);
        rig.platform.presence.length = 0;
      };
      const polite = await rig.connect(version);
      polite.send({ cmd: "disconnect" });
      await told("connected 1", "disconnected 1 client");
      (await rig.connect(version)).cut();
      await told("connected 2", "disconnected 2 network");
      (await rig.connect(version, { will })).cut();
      await told("connected 3", "disconnected 3 will");
      await rig.connect(version, { keepalive: 1 });
      await told("connected 4", "disconnected 4 keep-alive");
      await rig.connect(version);
      const last = await rig.connect(version);
      await told("connected 5", "disconnected 5 taken-over", "connected 6");
      last.write(Buffer.of(0xf0, 0x00));
      await told(`disconnected 6 ${"network"}`);
      await rig.connect(version);
      await rig.edge.close();
      await told("connected 7", "disconnected 7 server");
    });

    test(`${nameOf(version)}: an end that is not known for good is told again after the next start, one that is is not`, async (t) => {
      const rig = await Rig.start(t, start, { sessionsFile: sessionsFile(t) });
      const { leave } = rig.platform;
      const left = async (clientId: string) => {
        const client = await rig.connect(version, { clientId });
        client.send({ cmd: "disconnect" });
        assert.equal(await client.next(), "closed");
      };
      await left("known");
      await t.waitFor(() => assert.equal(rig.platform.presence.at(-1), "disconnected 1 client"), WAIT);
      rig.platform.leave = () => new Promise(() => {});
      // The client's next connection does not hide it.
      await left("unknown");
      await left("unknown");
      await t.waitFor(() => assert.equal(rig.platform.presence.at(-1), "disconnected 3 client"), WAIT);
      await rig.edge.close();
      rig.platform.leave = leave;
      rig.platform.presence.length = 0;
      await rig.restart();
      await t.waitFor(
        () => assert.deepEqual(rig.platform.presence.sort(), ["disconnected 2 server", "disconnected 3 server"]),
        WAIT,
      );
      rig.platform.presence.length = 0;
      await rig.restart();
      assert.deepEqual(rig.platform.presence, []);
    });

    test(`${nameOf(version)}: a device is let in when the fact is durable, and not while it can't be`, async (t) => {
      const rig = await Rig.start(t, start);
      const { enter } = rig.platform;
      rig.platform.enter = async () => {
        throw new Error("disk is gone");
      };
      const [refused, answer] = await rig.ask(version, kept(version));
      assert.equal(codeOf(answer), version === 5 ? 0x88 : 3);
      assert.equal(await refused.next(), "closed");
      rig.platform.enter = enter;
      const client = await rig.connect(version, kept(version));
      client.send(publishPacket(1, "a"));
      assert.deepEqual(await client.answers(1), ["puback 1"]);
    });

    test(`${nameOf(version)}: a connection is in the session file before it is told of, so that a crash can tell of its end`, async (t) => {
      const file = sessionsFile(t);
      const rig = await Rig.start(t, start, { sessionsFile: file });
      let facts: unknown[] | undefined;
      rig.platform.enter = async () => {
        const db = new DatabaseSync(file, { readOnly: true });
        facts = db.prepare("SELECT facts FROM connection").all();
        db.close();
      };
      await rig.connect(version);
      assert.equal(facts?.length, 1);
    });

    test(`${nameOf(version)}: any packet is a sign of life, reported once per connection and interval`, async (t) => {
      const rig = await Rig.start(t, start, { seenIntervalMs: 100 });
      const client = await rig.connect(version);
      const other = await rig.connect(version, { clientId: "c-2" });
      const seen = () => rig.platform.presence.filter((fact) => fact.startsWith("seen"));
      await sleep(250);
      const before = seen().length;
      assert.ok(before <= 2, "silence is no sign of life");
      for (const one of [client, other]) one.send({ cmd: "pingreq" }, { cmd: "pingreq" });
      await t.waitFor(() => assert.ok(seen().length > before), WAIT);
      await sleep(250);
      const reported = seen().slice(before);
      assert.deepEqual([...new Set(reported)].sort(), ["seen 1", "seen 2"], "each lives for itself");
      // Two packets of one connection may be on two sides of a report.
      assert.ok(reported.length <= 4, `${reported.length} for 4 packets`);
    });

    test(`${nameOf(version)}: all connections of a device whose access is revoked are ended${version === 5 ? " with 0x98" : ""}, and no other's`, async (t) => {
      const rig = await Rig.start(t, start);
      const mine = [await rig.connect(version), await rig.connect(version, { clientId: "c-2" })];
      const other = await rig.connect(version, { username: "acme/boiler-7" });
      rig.edge.disconnect(DEVICE);
      const end = version === 5 ? ["disconnect 0x98", "closed"] : ["closed"];
      for (const client of mine) assert.deepEqual(await client.answers(end.length), end);
      other.send(publishPacket(1, "a"));
      assert.deepEqual(await other.answers(1), ["puback 1"]);
    });
  }
}
