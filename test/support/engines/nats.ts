import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./process.ts";

export interface NatsServer {
  /** `nats://127.0.0.1:PORT` */
  url: string;
  port: number;
  pid(): number | undefined;
  /** Ends it (SIGKILL where nothing else is said); what is started next is at the same address. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
}

export interface NatsServerOptions {
  /** Lines of the server's configuration beside its address. */
  config?: string[];
  startMs?: number;
}

const running = new Set<ChildProcess>();
const folders: string[] = [];
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export const natsVersion = (): string => execFileSync("nats-server", ["--version"], { encoding: "utf8" }).trim();

/** A real nats-server on loopback, with what docker-compose.yml gives it: messages of 8 MB. */
export async function startNats({ config = [], startMs = 10_000 }: NatsServerOptions = {}): Promise<NatsServer> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "ganglion-nats-"));
  folders.push(folder);
  const file = join(folder, "nats.conf");
  writeFileSync(file, ["max_payload: 8MB", ...config, ""].join("\n"));
  let child: ChildProcess | undefined;

  const server: NatsServer = {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: () => child?.pid,
    async start() {
      const begun = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port), "-c", file], { stdio: "ignore" });
      child = begun;
      running.add(begun);
      begun.once("exit", () => running.delete(begun));
      for (const deadline = Date.now() + startMs; !(await answers(port)); await sleep(20))
        if (Date.now() > deadline || begun.exitCode !== null) throw new Error("nats-server did not start");
    },
    async kill(signal = "SIGKILL") {
      if (!child || !running.has(child)) return;
      child.kill(signal);
      await once(child, "exit");
    },
  };
  await server.start();
  return server;
}

const answers = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    }).once("error", () => resolve(false));
  });
