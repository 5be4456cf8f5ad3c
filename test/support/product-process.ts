import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { start: string } };
/** What `npm start` gives to Node. */
export const START_ARGUMENTS: readonly string[] = scripts.start.replaceAll('"', "").split(" ").slice(1);
const READY = /^ready((?: \w+:\S+)*)$/m;

const FREE_PORTS = Object.fromEntries(
  ["HTTP_PORT", "HTTPS_PORT", "MQTT_PORT", "MQTT_TLS_PORT", "MQTT_WS_PORT", "MQTT_WSS_PORT"].map((name) => [name, "0"]),
);

export interface ProcessOptions {
  env: Record<string, string>;
  nodeOptions?: string[] | undefined;
  readyMs?: number | undefined;
  stopMs?: number | undefined;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** One process of the product, as `npm start` runs it. */
export interface ProductProcess {
  /** URLs of the ready line by scheme. */
  urls: Readonly<Record<string, string>>;
  pid: number;
  output(): string;
  kill(signal?: NodeJS.Signals): Promise<Ended>;
  stop(): Promise<Ended>;
}

const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** @throws Error with the captured output when it ends before it is ready or is not ready in time. */
export async function startProcess(options: ProcessOptions): Promise<ProductProcess> {
  const { env, nodeOptions = [], readyMs = 20_000, stopMs = 10_000 } = options;
  const child = spawn(process.execPath, [...nodeOptions, ...START_ARGUMENTS], {
    cwd: root,
    env: { ...process.env, ...FREE_PORTS, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let stdout = "";
  let all = "";
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const kill = (signal: NodeJS.Signals = "SIGKILL") => {
    child.kill(signal);
    return ended;
  };
  const failed = (why: string) => new Error(`the platform ${why}; it said:\n${all}`);
  const ready = new Promise<RegExpExecArray>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      all += text;
      if (READY.test(stdout)) return;
      stdout += text;
      const line = stdout.includes("\n") ? READY.exec(stdout) : null;
      if (line) resolve(line);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      all += text;
    });
    child.once("error", reject);
    ended.then(({ code, signal }) => reject(failed(`ended (${signal ?? code}) before it was ready`)));
  });
  const late = new AbortController();
  const tooLate = sleep(readyMs, undefined, { signal: late.signal }).then(async () => {
    await kill();
    throw failed(`was not ready within ${readyMs} ms`);
  });
  const [, line = ""] = await Promise.race([ready, tooLate]).finally(() => {
    late.abort();
    tooLate.catch(() => {});
  });
  const urls = line.split(" ").filter(Boolean);
  return {
    urls: Object.fromEntries(urls.map((url) => [url.slice(0, url.indexOf(":")), url])),
    pid: child.pid as number,
    output: () => all,
    kill,
    async stop() {
      const cut = setTimeout(() => child.kill("SIGKILL"), stopMs);
      const end = await kill("SIGTERM");
      clearTimeout(cut);
      return end;
    },
  };
}
