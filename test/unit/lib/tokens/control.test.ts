import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Names of the tests of the verifier that fail in a build without the check. */
function failing(check: string): string[] {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      `--import=${new URL("./controls/without-check.ts", import.meta.url).href}`,
      ...["--test-reporter=tap", path("./token-verifier.test.ts")],
    ],
    { env: { ...env, TOKEN_CONTROL: check }, encoding: "utf8" },
  );
  assert.equal(status, 1, stdout);
  return Array.from(stdout.matchAll(/^ {4}not ok \d+ - (.*)$/gm), ([, name]) => String(name));
}

test("a build that does not look at jti turns the tests of replay red, and no other", () => {
  assert.deepEqual(failing("jti"), ["a proof is good once", "of ten in parallel one passes"]);
});

test("a build that does not look at ath turns its tests red, and no other", () => {
  assert.deepEqual(failing("ath"), ["check 12: without ath", "check 12: the proof of another token"]);
});

test("a build that takes any key turns the tests of the stolen token red", () => {
  const red = failing("key");
  assert.ok(red.includes("check 12: a stolen token with a key of one's own"), red.join("\n"));
});
