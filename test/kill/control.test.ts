import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const killTest = fileURLToPath(new URL("./kill.test.ts", import.meta.url));
/** What each build does wrong, and what the kill test must find of it. */
const controls = {
  "ack-before-commit": ["acknowledges before the commit", "lost"],
  "commit-before-handler": ["commits a consumer's position before its handler", "lost"],
  "identity-on-arrival": ["takes a resend for another message", "doubled"],
} as const;

for (const [control, [what, found]] of Object.entries(controls))
  test(`a platform that ${what} turns the kill test red: messages are ${found}`, { timeout: 300_000 }, async (t) => {
    // Without what says that this is a test's process already: the runner would report to its parent, not to us.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = spawn(process.execPath, ["--test", "--test-reporter=tap", killTest], {
      env: { ...env, KILL_CONTROL: control, KILL_MESSAGES: "40000", KILL_KILLS: "8" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    run.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    const code = await new Promise((resolve) => run.once("close", resolve));
    const outcome = /\{"acknowledged".*\}/.exec(output)?.[0] ?? "{}";
    t.diagnostic(outcome);
    const { lost, doubled, unknown } = JSON.parse(outcome) as Record<string, number>;
    const { [found]: faults, ...others } = { lost, doubled, unknown };
    assert.equal(code, 1, output);
    assert.match(output, /^not ok 1 /m);
    assert.ok(Number(faults) > 0, `nothing was ${found}`);
    assert.deepEqual(Object.values(others), [0, 0], outcome);
  });
