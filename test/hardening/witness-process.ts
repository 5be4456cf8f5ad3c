import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { WitnessPlan, WitnessReport } from "./witness.ts";

const file = fileURLToPath(new URL("./witness.ts", import.meta.url));

/** The well-behaved device, from outside of its process. */
export class Witness {
  readonly #child: ChildProcess;

  constructor(plan: WitnessPlan) {
    this.#child = fork(file, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  }

  /** What it saw since the last question; `stop` ends it. @throws Error when it has given up */
  async report(message: "report" | "stop" = "report"): Promise<WitnessReport> {
    const settled = new AbortController();
    const answer = once(this.#child, "message", settled);
    const gone = once(this.#child, "exit", settled).then(() => {
      throw new Error("the witness has given up: another client did harm it");
    });
    for (const late of [answer, gone]) late.catch(() => {});
    try {
      if (!this.#child.connected) throw new Error("the witness has given up: another client did harm it");
      this.#child.send(message);
      return ((await Promise.race([answer, gone])) as [WitnessReport])[0];
    } finally {
      settled.abort();
    }
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}

/** The latency that a share of them did not exceed, milliseconds. */
export function percentile(latencies: readonly number[], share: number): number {
  const sorted = latencies.toSorted((a, b) => a - b);
  return Number((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN).toFixed(1));
}
