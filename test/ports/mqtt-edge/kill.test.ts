import assert from "node:assert/strict";
import { test } from "node:test";
import { killAmidMessages, killWithQueue } from "./kill-procedure.ts";
import { nameOf, VERSIONS } from "./suite/subject.ts";

const KILLS = 3;

for (const version of VERSIONS) {
  test(`${nameOf(version)}: a session and what is queued in it survive SIGKILL of the platform; QoS 2 comes once`, async () => {
    const { publishedAgain = 0, ...seen } = await killWithQueue(version);
    assert.deepEqual(seen, {
      present: true,
      queued: ["one q1", "two q2"],
      released: ["pubrel"],
      again: ["pubrel"],
      left: [],
    });
    assert.ok(publishedAgain <= 1, "of the two only the one of QoS 1 may come again");
  });

  test(`${nameOf(version)}: messages without a time of their own are stored once each over ${KILLS} SIGKILLs, sent again as MQTT wants it`, async (t) => {
    const { resent, ...seen } = await killAmidMessages(version, KILLS);
    t.diagnostic(`${resent} resent`);
    assert.ok(resent > 0, "no kill hit a message in flight");
    assert.deepEqual(seen, { present: true, lost: 0, doubled: 0 });
  });
}

test("control: an edge that forgets its sessions is found out", async () => {
  assert.deepEqual(await killWithQueue(4, "forget-sessions"), { present: false });
  const { doubled } = await killAmidMessages(4, KILLS, "forget-sessions");
  assert.ok(doubled > 0, "no message was doubled");
});

test("control: an edge that promises before the commit is found out", async () => {
  const { present } = await killWithQueue(4, "promise-before-commit");
  assert.equal(present, false);
});
