import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** What each build does wrong, the suite that must find it, and which of its tests are run: each of them must fail. */
const controls: Record<string, [what: string, suite: string, tests: string]> = {
  "acknowledge-before-write": ["acknowledges readings before they are written", "readings-differential", "readings: "],
  "no-unique-key": ["stores a reading under another key each time", "readings-differential", "readings: "],
  "last-writer": ["writes newest values over another process's", "latest-store", "another process|two processes"],
  "indexes-not-unique": ["makes no index unique", "document-store", "a .*unique index (refuses|tells|compares)"],
};

for (const [control, [what, suite, tests]] of Object.entries(controls))
  test(`control: a build that ${what} turns the suite ${suite} red`, { timeout: 200_000 }, async () => {
    const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
    // Without what says that this is a test's process already: it would report to its parent, not to us.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const options = [`--import=${new URL(`./controls/${control}.ts`, import.meta.url)}`, "--test-reporter=tap"];
    const run = spawn(process.execPath, [...options, `--test-name-pattern=${tests}`, file(`./${suite}.test.ts`)], {
      env: { ...env, DIFFERENTIAL_SEEDS: "4" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    run.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    run.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const code = await new Promise((resolve) => run.once("close", resolve));
    const found = [...output.matchAll(/^ *(not )?ok \d+ - (.*)$/gm)].filter(([, , name = ""]) =>
      RegExp(tests).test(name),
    );
    assert.equal(code, 1, output.slice(-3000));
    assert.ok(found.length > 0, "no test was run");
    assert.deepEqual(
      found.filter(([, not]) => not === undefined).map(([line]) => line),
      [],
    );
  });
