import assert from "node:assert/strict";
import { test } from "node:test";
import { KILLS, type KillEngine, livesAndDeaths, nameOf, wrongsOf } from "./lives.ts";

/** What holds whichever of its workers die, on any engine; with the control. */
export function killSuite(engine: KillEngine): void {
  test(`every accepted item is done, expired or dead with its cause, exactly one of them, although workers are killed ${KILLS} times`, async (t) => {
    const aftermath = await livesAndDeaths(t, engine);
    const accepted = aftermath.ledger.filter(({ what }) => what === "acknowledged");
    assert.ok(accepted.length > KILLS * 4, "something was accepted in every life");
    assert.deepEqual(wrongsOf(aftermath), []);
    const again = aftermath.ledger.filter(({ what, fate }) => what === "handling" && fate === "done").length;
    const once = new Set(
      aftermath.ledger.filter(({ what, fate }) => what === "handled" && fate === "done").map(nameOf),
    );
    assert.ok(again > once.size, "some items were in work when their worker was killed, and came again");
  });

  test("control: the same check finds what is lost when an item is acknowledged before its handler", async (t) => {
    const wrongs = wrongsOf(await livesAndDeaths(t, engine, "acknowledges-early"));
    assert.ok(wrongs.some((wrong) => wrong.endsWith(": lost") || wrong.includes("dead letters [], not")));
  });
}
