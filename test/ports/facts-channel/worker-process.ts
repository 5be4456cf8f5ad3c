import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { WorkerOptions } from "./worker.ts";

const WORKER = fileURLToPath(new URL("./worker.ts", import.meta.url));

/** Starts a worker and waits until it is ready. */
export async function startWorker(options: Partial<WorkerOptions> & { dir: string }): Promise<ChildProcess> {
  const complete: WorkerOptions = {
    life: 1,
    publishes: false,
    handlerMs: 0,
    batchSize: 10,
    leaseMs: 60_000,
    broken: false,
    ...options,
  };
  const child = fork(WORKER, [JSON.stringify(complete)], { execArgv: ["--disable-warning=ExperimentalWarning"] });
  await told(child, "ready");
  return child;
}

/** Resolves when the worker says it. @throws when it ends before. */
export async function told(child: ChildProcess, what: "ready" | "handling"): Promise<void> {
  const said = Promise.withResolvers<void>();
  // One listener: between two of `once` a word that came with another would be missed.
  const listen = (word: unknown) => {
    if (word === what) said.resolve();
  };
  const exited = (code: number | null) =>
    said.reject(new Error(`the worker ended with ${code} before it said '${what}'`));
  child.on("message", listen).once("exit", exited);
  try {
    await said.promise;
  } finally {
    child.off("message", listen).off("exit", exited);
  }
}

export async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

export interface Entry {
  what: "acknowledged" | "handled";
  key: string;
  life: number;
  n: number;
  pid: number;
}

/** What the workers of a folder have written down, in order. A last line that is cut off was never promised. */
export function readLedger(dir: string): Entry[] {
  const path = join(dir, "ledger");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [what, key, life, n, pid] = line.split(" ");
    return { what: what as Entry["what"], key: String(key), life: Number(life), n: Number(n), pid: Number(pid) };
  });
}
