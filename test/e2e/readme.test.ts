import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startPlatform } from "../support/platform.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(`${root}/README.md`, "utf8");
const tour = Array.from(readme.matchAll(/```sh tour\n([\s\S]*?)```/g), ([, commands]) => commands as string);

/** The README's ports, put to those of this run. */
const moved = (commands: string, http: URL, mqtt: URL) =>
  commands
    .replaceAll("localhost:3000", http.host)
    .replaceAll("-h localhost -p 1883", `-h ${mqtt.hostname} -p ${mqtt.port}`)
    .replaceAll("npm run simulate --", `npm run --silent simulate -- --url ${http.origin} --mqtt ${mqtt.href}`);

test("the README's two commands are the package's", () => {
  const { scripts } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { scripts: Record<string, string> };
  assert.match(readme, /npm ci && npm start/);
  assert.match(readme, /npm ci && npm test/);
  assert.ok(scripts["start"] && scripts["test"]);
});

test("every command of the README's tour does what the README says", async () => {
  const platform = await startPlatform();
  try {
    const script = [
      "set -eu",
      ...tour.map(
        (block, index) => `echo "--- ${index}"\n${moved(block, new URL(platform.http), new URL(platform.mqtt))}\necho`,
      ),
    ];
    const run = spawnSync("bash", ["-c", script.join("\n")], { cwd: root, encoding: "utf8", timeout: 120_000 });
    assert.equal(run.status, 0, `${run.stdout}\n${run.stderr}`);
    const [, register, , read, local, written, rejected, simulate, api] = run.stdout.split(/^--- \d+$/m) as string[];
    assert.match(register ?? "", /"id":"boiler-7"/);
    const [readings, aggregates] = (read ?? "")
      .trim()
      .split(/(?<=\})(?=\{"items")|\n/)
      .filter(Boolean)
      .map((text) => JSON.parse(text));
    assert.equal(readings.items.length, 3);
    assert.deepEqual(aggregates.items[0].metrics.temperature, { avg: 21, min: 20, max: 22, count: 2 });
    assert.match(local ?? "", /"start":"2025-12-31T23:00:00\.000Z"/);
    assert.match(local ?? "", /ts,temperature,burning\r\n2026-01-01T00:00:00\.000Z,20,\r\n/);
    assert.match(local ?? "", /"deviceId":"boiler-7","metrics":\{"temperature":\{"ts":"[^"]*","value":21\.5\}/);
    assert.match(written ?? "", /"accepted":1/);
    assert.match(rejected ?? "", /"reason":"[^"]*temperature/);
    assert.match(simulate ?? "", /acknowledged/);
    assert.match(api ?? "", /"openapi":"3\.1\.\d"/);
    assert.match(api ?? "", /^# TYPE /m);
    assert.match(api ?? "", /"status":"ready"/);
  } finally {
    await platform.stop();
  }
});
