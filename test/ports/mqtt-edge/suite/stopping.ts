import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nameOf, publishPacket, Rig, type StartEdge, TELEMETRY, VERSIONS, WAIT } from "./subject.ts";

/** Whether it ends within what the port promises, with room for a busy machine. */
const endsWithin = (closing: Promise<void>, limitMs: number): Promise<boolean> =>
  Promise.race([closing.then(() => true), sleep(limitMs, false, { ref: false })]);

export function stopping(start: StartEdge): void {
  for (const version of VERSIONS) {
    test(`${nameOf(version)}: what is being committed when the edge stops is answered first`, async (t) => {
      const rig = await Rig.start(t, start, { drainTimeoutMs: 10_000 });
      rig.platform.hold = true;
      const client = await rig.connect(version);
      client.send(publishPacket(1, "a"), publishPacket(2, "b"));
      await t.waitFor(() => assert.equal(rig.platform.held.length, 2), WAIT);
      const closing = rig.edge.close();
      assert.deepEqual(await client.early(), []);
      for (const commit of rig.platform.held) commit.done();
      const last = version === 5 ? ["disconnect 0x8b", "closed"] : ["closed"];
      assert.deepEqual(await client.answers(2 + last.length), ["puback 1", "puback 2", ...last]);
      await closing;
    });

    test(`${nameOf(version)}: a will before it changes nothing about that`, async (t) => {
      const rig = await Rig.start(t, start, { drainTimeoutMs: 10_000 });
      const will = { topic: TELEMETRY, payload: Buffer.from("gone"), qos: 1 as const, retain: false };
      const gone = await rig.connect(version, { clientId: "gone", will });
      gone.cut();
      await t.waitFor(() => assert.deepEqual(rig.platform.texts, ["gone"]), WAIT);
      rig.platform.hold = true;
      const client = await rig.connect(version);
      client.send(publishPacket(1, "a"));
      await t.waitFor(() => assert.equal(rig.platform.held.length, 1), WAIT);
      const closing = rig.edge.close();
      assert.deepEqual(await client.early(), []);
      rig.platform.held[0]?.done();
      assert.deepEqual(await client.answers(1), ["puback 1"]);
      await closing;
    });

    test(`${nameOf(version)}: a commit that never ends does not keep the edge from stopping, and is not acknowledged`, async (t) => {
      const rig = await Rig.start(t, start, { drainTimeoutMs: 100 });
      rig.platform.hold = true;
      const client = await rig.connect(version);
      client.send(publishPacket(1, "a"));
      await t.waitFor(() => assert.equal(rig.platform.held.length, 1), WAIT);
      assert.ok(await endsWithin(rig.edge.close(), 10_000));
      assert.deepEqual(await client.answers(version - 3), version === 5 ? ["disconnect 0x8b", "closed"] : ["closed"]);
    });
  }

  test("clients that don't hang up, and those without a CONNECT, don't keep the edge from stopping", async (t) => {
    const rig = await Rig.start(t, start);
    const frozen = [await rig.connect(5), await rig.connect(4, { clientId: "ws" }, "ws")];
    for (const client of frozen) client.freeze();
    for (const scheme of ["mqtt", "ws"] as const) rig.open(5, scheme);
    await t.waitFor(() => assert.equal(rig.edge.connections, 4), WAIT);
    assert.ok(await endsWithin(rig.edge.close(), 10_000));
    assert.equal(rig.edge.connections, 0);
  });

  test("after a stop nothing is listened on; a second stop is the same one", async (t) => {
    const rig = await Rig.start(t, start);
    await Promise.all([rig.edge.close(), rig.edge.close()]);
    for (const scheme of ["mqtt", "ws"] as const) assert.equal(await rig.open(4, scheme).next(), "closed");
  });

  test("a CONNECT whose check ends after the stop began is not let in", async (t) => {
    const rig = await Rig.start(t, start);
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    rig.platform.check = () => {
      asked.resolve();
      return answer.promise;
    };
    const late = rig.ask(5).then(
      ([, connack]) => connack.reasonCode,
      () => "closed",
    );
    await asked.promise;
    const closing = rig.edge.close();
    answer.resolve();
    await closing;
    assert.notEqual(await late, 0);
  });

  for (const [name, other, variable] of [
    ["port", "wsPort", "MQTT_PORT"],
    ["wsPort", "port", "MQTT_WS_PORT"],
  ] as const)
    test(`a ${name} in use is named, and nothing is left open`, async (t) => {
      const rig = await Rig.start(t, start);
      const scheme = name === "port" ? "mqtt" : "ws";
      const taken = Number(new URL(rig.url(scheme)).port);
      await assert.rejects(start(rig.platform, { [name]: taken, [other]: 0 }), {
        message: `${variable} ${taken} of 127.0.0.1 is already in use`,
      });
    });
}
