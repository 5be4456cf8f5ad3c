import { type ChildProcess, spawn } from "node:child_process";

/** A server that a test has started, ended by its own pid. */
export interface EngineProcess {
  pid: number;
  /** What it has said so far. */
  output(): string;
  /** Sends the signal (SIGKILL where none is given). */
  signal(signal?: NodeJS.Signals): void;
  /** Resolves when it has ended. */
  ended: Promise<void>;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Resolves when the output matches. @throws Error with the output when it ends before, or is late. */
export async function startEngine(
  command: string,
  args: readonly string[],
  { ready, readyMs = 20_000, env = {} }: { ready: RegExp; readyMs?: number; env?: Record<string, string> },
): Promise<EngineProcess> {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  running.add(child);
  let output = "";
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  }).then(() => void running.delete(child));
  await new Promise<void>((resolve, reject) => {
    const failed = (why: string) => reject(new Error(`${command} ${why}; it said:\n${output}`));
    const late = setTimeout(() => {
      child.kill("SIGKILL");
      failed(`was not ready within ${readyMs} ms`);
    }, readyMs);
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
      if (!ready.test(output)) return;
      clearTimeout(late);
      resolve();
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("error", reject);
    ended.then(() => {
      clearTimeout(late);
      failed("ended before it was ready");
    });
  });
  return {
    pid: child.pid as number,
    output: () => output,
    signal: (signal = "SIGKILL") => void child.kill(signal),
    ended,
  };
}
