import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { killProcedure } from "./procedure.ts";

const seed = Number(process.env["KILL_SEED"] ?? randomInt(2 ** 32));
const controls = {
  "ack-before-commit": "a platform that acknowledges before the commit",
  "commit-before-handler": "a platform that commits a consumer's position before its handler",
};

for (const [control, what] of Object.entries(controls))
  test(`${what} is caught: messages are lost`, { timeout: 300_000 }, async (t) => {
    t.diagnostic(`KILL_SEED=${seed}`);
    const outcome = await killProcedure({
      messages: 40_000,
      kills: 8,
      seed,
      control,
      print: (line) => t.diagnostic(line),
    });
    t.diagnostic(JSON.stringify(outcome));
    assert.ok(outcome.lost > 0, "nothing was lost");
    assert.equal(outcome.doubled, 0);
    assert.equal(outcome.unknown, 0);
  });
