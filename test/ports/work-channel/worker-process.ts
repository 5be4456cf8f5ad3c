import { type ChildProcess, fork } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { told } from "../facts-channel/worker-process.ts";
import type { Fate, Job, WorkerOptions } from "./worker.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));

/** Starts a worker and waits until it is ready. */
export async function startWorker(options: Partial<WorkerOptions> & { dir: string }): Promise<ChildProcess> {
  const complete: WorkerOptions = {
    life: 1,
    publishes: false,
    works: true,
    handlerMs: 0,
    leaseMs: 60_000,
    deliveriesMax: 10,
    ...options,
  };
  const child = fork(WORKER, [JSON.stringify(complete)], { execArgv: ["--disable-warning=ExperimentalWarning"] });
  await told(child, "ready");
  return child;
}

export interface Entry extends Job {
  what: "acknowledged" | "refused" | "handling" | "handled";
  pid: number;
}

/** What the workers of a folder have written down, in order. A last line that is cut off was never promised. */
export function readLedger(dir: string): Entry[] {
  const path = join(dir, "ledger");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [what, fate, life, n, pid] = line.split(" ");
    return { what: what as Entry["what"], fate: fate as Fate, life: Number(life), n: Number(n), pid: Number(pid) };
  });
}
