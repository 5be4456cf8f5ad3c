import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { start: string } };
/** What `npm start` gives to Node. */
export const START_ARGUMENTS: readonly string[] = scripts.start.replaceAll('"', "").split(" ").slice(1);
const READY = /^ready ((?:\w+:\S+ ?)+)$/m;

const FREE_PORTS = Object.fromEntries(
  ["HTTP_PORT", "HTTPS_PORT", "MQTT_PORT", "MQTT_TLS_PORT", "MQTT_WS_PORT", "MQTT_WSS_PORT"].map((name) => [name, "0"]),
);

export interface PlatformOptions {
  /** Variables of the platform; ports are free ones, where not given. */
  env?: Record<string, string>;
  /** Folder of its data, kept by who gives it; a temporary one, removed when this process ends, where not given. */
  dataDir?: string;
  /** Options of Node before the runner, such as `--import=FILE`. */
  nodeOptions?: string[];
  /** How long it may take until the ready line. @default 20_000 */
  readyMs?: number;
  /** How long a stop may take until the process is killed. @default 10_000 */
  stopMs?: number;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** The product as `npm start` runs it, in a process of its own. */
export interface Platform {
  http: string;
  mqtt: string;
  ws: string;
  /** URLs of the ready line by scheme, those with TLS too. */
  urls: Readonly<Record<string, string>>;
  pid: number;
  dataDir: string;
  /** Variables that start the next one at the same addresses. */
  addresses: Record<"HTTP_PORT" | "MQTT_PORT" | "MQTT_WS_PORT", string>;
  /** Standard output and error so far. */
  output(): string;
  /** Sends the signal (SIGKILL where none is given) and resolves when the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<Ended>;
  /** SIGTERM; resolves when the process has ended. */
  stop(): Promise<Ended>;
}

const running = new Set<ChildProcess>();
const folders: string[] = [];
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-platform-"));
  folders.push(folder);
  return folder;
}

/** @throws Error with the captured output when it ends before it is ready or is not ready in time. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const { env = {}, dataDir = temporaryFolder(), nodeOptions = [], readyMs = 20_000, stopMs = 10_000 } = options;
  const child = spawn(process.execPath, [...nodeOptions, ...START_ARGUMENTS], {
    cwd: root,
    env: { ...process.env, ...FREE_PORTS, DATA_DIR: dataDir, ...env },
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
      const line = READY.exec(stdout);
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
  const urls = Object.fromEntries(line.split(" ").map((url) => [url.slice(0, url.indexOf(":")), url]));
  const { http = "", mqtt = "", ws = "" } = urls;

  const port = (url: string) => new URL(url).port;
  return {
    ...{ http, mqtt, ws, urls, dataDir, kill },
    pid: child.pid as number,
    addresses: { HTTP_PORT: port(http), MQTT_PORT: port(mqtt), MQTT_WS_PORT: port(ws) },
    output: () => all,
    async stop() {
      const cut = setTimeout(() => child.kill("SIGKILL"), stopMs);
      const end = await kill("SIGTERM");
      clearTimeout(cut);
      return end;
    },
  };
}
