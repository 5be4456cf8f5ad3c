import assert from "node:assert/strict";
import { test } from "node:test";
import type { IConnackPacket } from "mqtt-packet";
import {
  connectPacket,
  fresh,
  kept,
  nameOf,
  publishPacket,
  Rig,
  type StartEdge,
  subscribePacket,
  VERSIONS,
  WAIT,
} from "./subject.ts";

export function sessions(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: a connection with the same client id takes over; the one before is closed${version === 5 ? " with 0x8E" : ""}`, async (t) => {
      const rig = await Rig.start(t, start);
      const before = await rig.connect(version);
      const after = await rig.connect(version);
      assert.deepEqual(await before.answers(version - 3), version === 5 ? ["disconnect 0x8e", "closed"] : ["closed"]);
      after.send(publishPacket(1, "a"));
      assert.deepEqual(await after.answers(1), ["puback 1"]);
    });

    test(`${nameOf(version)}: a wrong password takes nothing over`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      await rig.ask(version, { password: Buffer.from("wrong") });
      client.send(publishPacket(1, "a"));
      assert.deepEqual(await client.answers(1), ["puback 1"]);
    });

    test(`${nameOf(version)}: of many connections at once with one client id the last stays, and the edge forgets the others`, async (t) => {
      const rig = await Rig.start(t, start);
      const clients = await Promise.all(Array.from({ length: 8 }, async () => rig.open(version)));
      for (const client of clients) client.send(connectPacket(version));
      await t.waitFor(() => assert.equal(rig.edge.connections, 1), WAIT);
      const next = await rig.connect(version);
      next.send(publishPacket(1, "a"));
      assert.deepEqual(await next.answers(1), ["puback 1"]);
    });

    test(`${nameOf(version)}: a session that only publishes is present after a reconnect; a clean one is not (MQTT-3.2.2-2)`, async (t) => {
      const rig = await Rig.start(t, start);
      const present: boolean[] = [];
      for (const session of [kept, kept, fresh, kept]) {
        const [client, answer] = await rig.ask(version, session(version));
        present.push((answer as IConnackPacket).sessionPresent);
        client.cut();
      }
      // A clean session of 3.1.1 leaves nothing that could be resumed.
      assert.deepEqual(present, [false, true, false, version === 5]);
    });

    test(`${nameOf(version)}: a session that is not to be kept ends with its connection`, async (t) => {
      const rig = await Rig.start(t, start);
      const client = await rig.connect(version);
      client.send(subscribePacket(1, "devices/me/config"));
      await client.next();
      client.cut();
      const [, answer] = await rig.ask(version, kept(version));
      assert.equal((answer as IConnackPacket).sessionPresent, false);
    });

    test(`${nameOf(version)}: of sessions that wait, the oldest ends where there are too many`, async (t) => {
      const rig = await Rig.start(t, start, { maxParkedSessions: 1 });
      for (const clientId of ["old", "new"]) {
        const client = await rig.connect(version, { clientId, ...kept(version) });
        client.send(publishPacket(1, clientId, { qos: 2 }));
        await client.answers(1);
        client.cut();
        await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
      }
      const client = await rig.connect(version, { clientId: "old", ...kept(version) });
      client.send(publishPacket(1, "old", { qos: 2, dup: true }));
      assert.deepEqual(await client.answers(1), ["pubrec 1"]);
      assert.deepEqual(rig.platform.texts, ["old", "new", "old"]);
    });

    for (const [limit, expected] of [
      [1, { "boiler-8/x": true, "boiler-7/a": false, "boiler-7/b": true }],
      [0, { "boiler-8/x": false, "boiler-7/a": true, "boiler-7/b": true }],
    ] as const)
      test(`${nameOf(version)}: of one device's sessions that wait ${limit ? "its own oldest ends where it has too many, not another's" : "as many wait as of all, where there is no limit: then another's ends"}`, async (t) => {
        const rig = await Rig.start(t, start, { maxParkedSessions: 2, maxParkedSessionsPerDevice: limit });
        const ask = async (session: string) => {
          const [username = "", clientId = ""] = session.split("/");
          const [client, answer] = await rig.ask(version, { username, clientId, ...kept(version) });
          client.cut();
          await t.waitFor(() => assert.equal(rig.edge.connections, 0), WAIT);
          return (answer as IConnackPacket).sessionPresent;
        };
        for (const session of Object.keys(expected)) assert.equal(await ask(session), false);
        const present: Record<string, boolean> = {};
        // Those that are there first: who is not takes another's place.
        for (const session of Object.keys(expected).sort((a) => (expected[a as keyof typeof expected] ? -1 : 1)))
          present[session] = await ask(session);
        assert.deepEqual(present, expected);
      });
  }
}
