import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { microsOf } from "../../lib/instant.ts";
import type { MetricValues } from "../../schemas/telemetry.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "ganglion-faulty-"));
after(() => rmSync(folder, { recursive: true }));

const FAULTS = "loss-of-connection=0.01,duplicates=0.05,reordering=0.1,clock-skew=5s,slow-reader=0.2";
const MESSAGES = 3000;

interface Recorded {
  deviceId: string;
  ts: string | number;
  values: MetricValues;
}

async function simulate({ http, mqtt }: Platform, record: string, ...args: string[]) {
  const child = spawn(
    process.execPath,
    [
      ...["clients/device-simulator/simulate.ts", "--url", http, "--mqtt", mqtt, "--report", "--record", record],
      ...["--rate", "1500", "--count", String(MESSAGES), "--fault", FAULTS, ...args],
    ],
    { cwd: root, stdio: ["ignore", "pipe", "pipe"] },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, `the simulator ended with ${code}: ${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) as string) as {
    acknowledged: number;
    resent: number;
    faults: Record<string, number>;
  };
}

const micros = (ts: string | number): number => (typeof ts === "number" ? Math.round(ts * 1e6) : microsOf(ts));

for (const version of ["4", "5"])
  test(`devices that lose connections, repeat, reorder, misjudge the time and read slowly: each acknowledged reading is stored once (MQTT ${version})`, async () => {
    const platform = await startPlatform({ env: { LOG_LEVEL: "error" } });
    try {
      const record = join(folder, `${version}.jsonl`);
      const { acknowledged, resent, faults } = await simulate(platform, record, "--version", version, "--seed", "11");
      assert.equal(acknowledged, MESSAGES);
      assert.ok(resent > 0);
      for (const [fault, count] of Object.entries(faults)) assert.ok(count > 0, fault);

      const lines = readFileSync(record, "utf8").trim().split("\n");
      const recorded = lines.map((line) => JSON.parse(line) as Recorded);
      assert.equal(recorded.length, MESSAGES);
      const rest = restClient(platform.http);
      for (const [deviceId, sent] of Map.groupBy(recorded, (message) => message.deviceId)) {
        let readings = await rest.readings(deviceId);
        for (const until = Date.now() + 20_000; readings.length < sent.length && Date.now() < until; await sleep(50))
          readings = await rest.readings(deviceId);
        assert.deepEqual(
          readings.map(({ ts, values }) => [microsOf(ts), values]),
          sent.map(({ ts, values }) => [micros(ts), values] as const).toSorted(([a], [b]) => a - b),
          deviceId,
        );
      }
    } finally {
      await platform.stop();
    }
  });
