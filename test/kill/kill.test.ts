import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { killProcedure } from "./procedure.ts";

// KILL_SEED repeats a run; KILL_CONTROL names a build broken on purpose, with which this test must fail: fewer will do then.
const MESSAGES = Number(process.env["KILL_MESSAGES"] ?? 100_000);
const KILLS = Number(process.env["KILL_KILLS"] ?? 20);
/** Kills that must have hit messages in flight. */
const KILLS_THAT_COUNT = Math.ceil(KILLS * 0.8);

const seed = Number(process.env["KILL_SEED"] ?? randomInt(2 ** 32));
const control = process.env["KILL_CONTROL"];

test("SIGKILL again and again under load: what was acknowledged is stored exactly once, and nothing that was never sent", {
  timeout: 600_000,
}, async (t) => {
  t.diagnostic(`KILL_SEED=${seed}`);
  const outcome = await killProcedure({
    messages: MESSAGES,
    kills: KILLS,
    seed,
    control,
    print: (line) => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify(outcome));
  const { acknowledged, stored, lost, doubled, unknown, inFlight } = outcome;
  assert.deepEqual({ lost, doubled, unknown }, { lost: 0, doubled: 0, unknown: 0 });
  assert.equal(acknowledged, MESSAGES);
  assert.equal(stored, MESSAGES);
  const counted = inFlight.filter((messages) => messages > 0).length;
  assert.ok(counted >= KILLS_THAT_COUNT, `${counted} of ${KILLS} kills hit messages in flight`);
});
