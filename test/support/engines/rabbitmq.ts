import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Engine, freePort, reachable } from "./process.ts";

/** Debian's own start script; the one in /usr/sbin is for the system service. */
const SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl";

export interface RabbitMq extends Engine {
  url: string;
  /** Holds the process as it is, or lets it go on. */
  freeze(): void;
  thaw(): void;
  /** rabbitmqctl, on this server. */
  control(...args: string[]): string;
}

const alive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Starts a RabbitMQ of its own: free loopback ports, its data in a folder that goes with it, ended by its pid. */
export async function startRabbitMq(config = "", plugins: readonly string[] = []): Promise<RabbitMq> {
  if (!existsSync(SERVER)) throw new Error(`no RabbitMQ at ${SERVER}: run .ci/engines`);
  const dir = mkdtempSync(join(tmpdir(), "rabbitmq-"));
  const [port, dist, epmd] = [await freePort(), await freePort(), await freePort()];
  writeFileSync(join(dir, "plugins"), `[${plugins.join(",")}].\n`);
  writeFileSync(join(dir, "rabbitmq.conf"), `loopback_users.guest = true\n${config}`);
  const env = {
    PATH: process.env["PATH"],
    // The Erlang cookie is written here.
    HOME: dir,
    RABBITMQ_NODENAME: `t${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(dist),
    ERL_EPMD_PORT: String(epmd),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_MNESIA_BASE: join(dir, "mnesia"),
    RABBITMQ_LOG_BASE: join(dir, "log"),
    RABBITMQ_CONFIG_FILE: join(dir, "rabbitmq"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, "plugins"),
    RABBITMQ_PID_FILE: join(dir, "pid"),
    // Else it lands in the working directory.
    ERL_CRASH_DUMP: join(dir, "erl_crash.dump"),
  };
  // The script waits for the Erlang machine: to end the script would leave the server running.
  const pid = () => Number(readFileSync(env.RABBITMQ_PID_FILE, "utf8"));
  let running: number | undefined;
  // Whatever ends this process ends the server.
  process.once("exit", () => void (running !== undefined && process.kill(running, "SIGKILL")));
  const server: RabbitMq = {
    port,
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    version: "",
    async start() {
      spawn(SERVER, [], { env, stdio: "ignore" }).unref();
      try {
        await reachable(port);
      } finally {
        // One that is too late is ended, too.
        if (existsSync(env.RABBITMQ_PID_FILE)) running = pid();
      }
    },
    async kill() {
      const killed = running;
      running = undefined;
      if (killed === undefined) return;
      process.kill(killed, "SIGKILL");
      while (alive(killed)) await sleep(10);
    },
    freeze: () => void (running !== undefined && process.kill(running, "SIGSTOP")),
    thaw: () => void (running !== undefined && process.kill(running, "SIGCONT")),
    control(...args) {
      const { status, stdout, stderr } = spawnSync(CONTROL, ["-n", env.RABBITMQ_NODENAME, ...args], {
        env,
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`rabbitmqctl ${args.join(" ")}: ${stderr || stdout}`);
      return stdout;
    },
    async dispose() {
      await server.kill();
      // The port mapper outlives the server.
      spawnSync("epmd", ["-port", String(epmd), "-kill"], { env, stdio: "ignore" });
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await server.start();
  server.version = `RabbitMQ ${await versionOf(server.url)}`;
  console.log(server.version);
  return server;
}

async function versionOf(url: string): Promise<string> {
  const { connect } = await import("amqplib");
  const connection = await connect(url);
  const { serverProperties } = connection.connection;
  await connection.close();
  return String(serverProperties.version);
}
