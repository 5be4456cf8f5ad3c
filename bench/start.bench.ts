import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { median, rounded } from "./median.ts";
import { descendants, rssMb } from "./process-figures.ts";
import type { Bench } from "./run.ts";

const IDLE_MS = 5000;
const root = fileURLToPath(new URL("..", import.meta.url));

/** `npm start` as a user types it, from an empty folder to the ready line; then its memory at rest. */
const start: Bench = async ({ short }) => {
  const runs = { readyMs: [] as number[], idleRssMb: [] as number[] };
  for (let run = 0; run < (short ? 1 : 5); run++) {
    const folder = mkdtempSync(join(tmpdir(), "ganglion-bench-"));
    const begun = performance.now();
    const npm = spawn("npm", ["start", "--silent"], {
      cwd: root,
      env: { ...process.env, DATA_DIR: folder, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", LOG_LEVEL: "warn" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    await ready(npm);
    runs.readyMs.push(performance.now() - begun);
    await sleep(short ? 1000 : IDLE_MS);
    // npm and its shell are the user's, not the platform's: the last of the chain is the platform.
    const platform = descendants(npm.pid as number).at(-1) as number;
    runs.idleRssMb.push(rssMb(platform));
    process.kill(platform, "SIGTERM");
    await new Promise((resolve) => npm.once("close", resolve));
    rmSync(folder, { recursive: true });
    console.log(
      `run ${run + 1}: ready after ${rounded(runs.readyMs.at(-1) as number, 0)} ms, ${rounded(runs.idleRssMb.at(-1) as number)} MB at rest`,
    );
  }
  return {
    readyMs: rounded(median(runs.readyMs), 0),
    idleRssMb: rounded(median(runs.idleRssMb)),
    runs: runs.readyMs.length,
  };
};
export default start;

async function ready(child: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream }))
    if (line.startsWith("ready ")) return void child.stdout?.resume();
  throw new Error("the platform ended before it was ready");
}
