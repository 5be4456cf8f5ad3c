import { setTimeout as sleep } from "node:timers/promises";
import { type NatsServer, startNats } from "./engines/nats.ts";
import { freePort } from "./engines/process.ts";
import { type Ended, type ProcessOptions, type ProductProcess, startProcess } from "./product-process.ts";

/** Each line a process: its name, and what `SERVICES` says there. */
export const PROCESSES: Readonly<Record<string, string>> = {
  gateway: "gateway",
  "device-registry": "device-registry",
  "mqtt-bridge": "mqtt-bridge",
  telemetry: "telemetry/telemetry,telemetry/retention",
  consumers: "telemetry/consumers",
  oauth: "oauth",
  "dead-letters": "dead-letters,audit,users,mail",
};

export interface ClusterOptions extends Omit<ProcessOptions, "env"> {
  /** Over which transporter: `nats`, a server of its own, or `tcp`. */
  shape: string;
  dataDir: string;
  env?: Record<string, string>;
  /** @default PROCESSES */
  processes?: Readonly<Record<string, string>>;
  /** Whether it is the whole platform, which can be ready. @default true */
  wholly?: boolean;
  /** Where given, the cluster uses this server and leaves it running. */
  nats?: NatsServer;
}

export interface Cluster {
  urls: Readonly<Record<string, string>>;
  pids: readonly number[];
  /** By name; `start` puts another one in the place of one that has ended. */
  processes: Map<string, ProductProcess>;
  /** Variables of the process of this name. */
  envOf(name: string): Record<string, string>;
  start(name: string, env?: Record<string, string>): Promise<ProductProcess>;
  output(): string;
  kill(signal?: NodeJS.Signals): Promise<Ended>;
  stop(): Promise<Ended>;
}

/** The product with each service in a process of its own, all on one DATA_DIR. Resolves when all of it is ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const {
    shape,
    dataDir,
    env = {},
    processes: wanted = PROCESSES,
    nats: given,
    readyMs = 60_000,
    wholly = true,
    ...rest
  } = options;
  const own = shape === "nats" && !given ? await startNats() : undefined;
  const transporter =
    shape === "nats"
      ? (given ?? own)?.url
      : `tcp://127.0.0.1:${await freePort()}/gateway,127.0.0.1:${await freePort()}/device-registry`;
  const envOf = (name: string): Record<string, string> => ({
    DATA_DIR: dataDir,
    ...env,
    TRANSPORTER: String(transporter),
    NODE_ID: name,
    SERVICES: String(wanted[name]),
  });
  const processes = new Map<string, ProductProcess>();
  const outputs: (() => string)[] = [];
  const all = async (what: (one: ProductProcess) => Promise<Ended>): Promise<Ended> => {
    const ended = await Promise.all([...processes.values()].map(what));
    await own?.kill();
    return ended.find(({ code }) => code !== 0) ?? { code: 0, signal: null };
  };
  const start = async (name: string, more: Record<string, string> = {}) => {
    const one = await startProcess({ ...rest, readyMs, env: { ...envOf(name), ...more } });
    processes.set(name, one);
    outputs.push(one.output);
    return one;
  };
  const kill = (signal?: NodeJS.Signals) => all((one) => one.kill(signal));
  try {
    const started = await Promise.allSettled(Object.keys(wanted).map((name) => start(name)));
    const failed = started.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
  } catch (error) {
    await kill();
    throw error;
  }
  const urls = Object.assign({}, ...[...processes.values()].map((one) => one.urls)) as Record<string, string>;
  const output = () => outputs.map((one) => one()).join("");
  if (wholly) await allReady(urls, readyMs, output);
  return {
    ...{ urls, processes, envOf, start, output, kill },
    get pids() {
      return [...processes.values()].map(({ pid }) => pid);
    },
    stop: () => all((one) => one.stop()),
  };
}

/** A process is ready before the others have heard of it. */
async function allReady({ http }: Record<string, string>, ms: number, output: () => string): Promise<void> {
  if (!http) return;
  let said = "";
  for (const deadline = Date.now() + ms; Date.now() < deadline; await sleep(50)) {
    const response = await fetch(`${http}/health/ready`, { headers: { connection: "close" } });
    if (response.ok) return;
    said = await response.text();
  }
  throw new Error(`the cluster was not ready within ${ms} ms: ${said}\n${output()}`);
}
