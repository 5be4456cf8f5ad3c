// node test/run.ts [SUITE …]: runs the suites, holds the skipped tests against test/skips.json, prints both totals.
// Where TEST_TOTALS names a file, each run adds its totals there, and `node test/run.ts --totals` prints their sum.
import { spawnSync } from "node:child_process";
import { appendFileSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { requirements } from "./support/requirements.ts";

interface Outcome {
  name: string;
  outcome: "passed" | "failed" | "skipped";
  reason?: string;
}
interface ListedSkip {
  name: string;
  needs: keyof typeof requirements;
}

/** `npm test` runs the default; the others need engines or minutes and are run by name, in CI all of them. */
const suites: Record<string, string[]> = {
  default: ["test/{unit,integration,ports,e2e}/**/*.test.ts"],
  kill: ["test/kill/**/*.test.ts"],
  failures: ["test/failures/**/*.test.ts"],
  clients: ["test/clients/**/*.test.ts"],
  recordings: ["test/recordings/**/*.test.ts"],
  hardening: ["test/hardening/**/*.test.ts"],
  engines: ["test/engines/**/*.test.ts"],
};

interface Totals {
  listed: number;
  passed: number;
  failed: number;
  skipped: number;
}
/** Why each of these says nothing of several processes. */
const oneProcess = JSON.parse(readFileSync(new URL("./e2e/one-process.json", import.meta.url), "utf8")) as object;
const isForOneProcess = (file: string) => Object.hasOwn(oneProcess, basename(file));

const totalsFile = process.env["TEST_TOTALS"];

if (process.argv.includes("--totals")) {
  const runs = readFileSync(totalsFile ?? "/dev/null", "utf8")
    .split("\n")
    .filter(Boolean);
  const sum: Totals = { listed: 0, passed: 0, failed: 0, skipped: 0 };
  for (const run of runs.map((line) => JSON.parse(line) as Totals))
    for (const key of Object.keys(sum) as (keyof Totals)[]) sum[key] += run[key];
  print(sum);
  process.exit(sum.passed > 0 && sum.failed === 0 ? 0 : 1);
}

function print({ listed, passed, failed, skipped }: Totals): void {
  console.log(`skips listed ${listed}, skips found ${skipped}`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}

const root = fileURLToPath(new URL("..", import.meta.url));
const given = process.argv.slice(2).filter((word) => word !== "--full");
// The longest outages too.
if (given.length < process.argv.length - 2) process.env["FAILURES_FULL"] = "1";
const names = given.length > 0 ? given : ["default"];
for (const name of names) {
  // The end-to-end suite on several processes: its files without those that are about one process only.
  const [, shape] = /^e2e-(tcp|nats)$/.exec(name) ?? [];
  if (shape === undefined) continue;
  process.env["E2E_SHAPE"] = shape;
  suites[name] = globSync("test/e2e/**/*.test.ts", { cwd: root }).filter((file) => !isForOneProcess(file));
}
const patterns = names.flatMap((name) => suites[name] ?? [name]);
const files = [...new Set(patterns.flatMap((pattern) => globSync(pattern, { cwd: root })))].sort();
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(" ")}`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "ganglion-test-"));
const report = join(folder, "outcomes.jsonl");
const reporter = new URL("./support/skip-reporter.ts", import.meta.url).href;
const run = spawnSync(
  process.execPath,
  [
    "--test",
    "--disable-warning=ExperimentalWarning",
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...[`--test-reporter=${reporter}`, `--test-reporter-destination=${report}`],
    ...files,
  ],
  { cwd: root, stdio: "inherit" },
);
const outcomes = readFileSync(report, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Outcome);
rmSync(folder, { recursive: true });

const listed = JSON.parse(readFileSync(join(root, "test/skips.json"), "utf8")) as ListedSkip[];
const ran = new Set(outcomes.map(({ name }) => name));
const expected = listed.filter(({ name, needs }) => ran.has(name) && !requirements[needs].met());
const skipped = outcomes.filter(({ outcome }) => outcome === "skipped");
const unlisted = skipped.filter(({ name }) => !expected.some((skip) => skip.name === name));
const missing = expected.filter(({ name }) => !skipped.some((skip) => skip.name === name));
const problems = [
  ...unlisted.map(({ name, reason }) => `skipped, but not in test/skips.json: ${name} (${reason})`),
  ...missing.map(({ name }) => `in test/skips.json, but not skipped: ${name}`),
  ...(process.env["CI"] ? skipped.map(({ name, reason }) => `skipped in CI: ${name} (${reason})`) : []),
];
for (const problem of problems) console.error(problem);

const count = (outcome: Outcome["outcome"]) => outcomes.filter((one) => one.outcome === outcome).length;
const totals: Totals = {
  listed: expected.length,
  passed: count("passed"),
  failed: count("failed"),
  skipped: skipped.length,
};
if (totalsFile) appendFileSync(totalsFile, `${JSON.stringify(totals)}\n`);
print(totals);
process.exit(run.status === 0 && problems.length === 0 ? 0 : 1);
