import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "./cluster.ts";
import { type Ended, startProcess } from "./product-process.ts";

export { type Ended, START_ARGUMENTS } from "./product-process.ts";

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

/** The product as `npm start` runs it, in a process of its own; where `E2E_SHAPE` says so, in several. */
export interface Platform {
  http: string;
  mqtt: string;
  ws: string;
  /** URLs of the ready line by scheme, those with TLS too. */
  urls: Readonly<Record<string, string>>;
  pid: number;
  /** Of every process. */
  pids: readonly number[];
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

const folders: string[] = [];
process.once("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-platform-"));
  folders.push(folder);
  return folder;
}

/** Of what is not there, as of what an external broker has, any. */
const port = (url: string) => (url === "" ? "0" : new URL(url).port);

/** Variables that start the next platform at the same addresses. */
export const addressesOf = ({ http = "", mqtt = "", ws = "" }: Readonly<Record<string, string>>) => ({
  HTTP_PORT: port(http),
  MQTT_PORT: port(mqtt),
  MQTT_WS_PORT: port(ws),
});

/** @throws Error with the captured output when it ends before it is ready or is not ready in time. */
export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  const { dataDir = temporaryFolder() } = options;
  const shape = process.env["E2E_SHAPE"] ?? "single";
  const { urls, pids, output, kill, stop } =
    shape === "single" ? await single(dataDir, options) : await startCluster({ ...options, dataDir, shape });
  const { http = "", mqtt = "", ws = "" } = urls;
  const [pid = 0] = pids;
  return { ...{ http, mqtt, ws, urls, dataDir, pid, pids, output, kill, stop }, addresses: addressesOf(urls) };
}

async function single(dataDir: string, { env = {}, ...options }: PlatformOptions) {
  const one = await startProcess({ ...options, env: { DATA_DIR: dataDir, ...env } });
  return { ...one, pids: [one.pid] };
}
