import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const diskTest = fileURLToPath(new URL("../e2e/disk.test.ts", import.meta.url));

test("a platform that acknowledges before the commit turns the tests of the disk red", {
  timeout: 200_000,
}, async () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const run = spawn(
    process.execPath,
    ["--test", "--test-reporter=tap", "--test-name-pattern=turns read-only", diskTest],
    {
      env: { ...env, DISK_CONTROL: "ack-before-commit" },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  run.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve) => run.once("close", resolve));
  assert.equal(code, 1, output);
  // Acknowledgements went on while nothing could be stored.
  assert.match(output, /standsStill/);
});
