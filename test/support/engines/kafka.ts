import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Engine, freePort, killed, reachable } from "./process.ts";

/** Folder of Kafka's jars, as `.ci/engines` fills it. */
export const KAFKA_HOME = process.env["KAFKA_HOME"] ?? join(homedir(), ".cache/ganglion-engines/kafka");
const CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk";

const children = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** A Kafka of one node (KRaft) on loopback, with its data in a temporary folder. @throws Error where there is none */
export async function startKafka(settings: Record<string, string> = {}): Promise<Engine> {
  const [server] = globSync(join(KAFKA_HOME, "kafka_2.*.jar"));
  if (!server || !existsSync(KAFKA_HOME))
    throw new Error(`no Kafka in ${KAFKA_HOME}: run .ci/engines, or set KAFKA_HOME`);
  const dir = mkdtempSync(join(tmpdir(), "ganglion-kafka-"));
  const [port, controller] = [await freePort(), await freePort()];
  const file = join(dir, "server.properties");
  const properties = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": join(dir, "data"),
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    // One that was killed is let in again after 3 s instead of 9.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    ...settings,
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  writeFileSync(file, `${lines.join("\n")}\n`);
  const java = (...args: string[]) => [
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    `${KAFKA_HOME}/*`,
    ...args,
  ];
  const format = spawnSync("java", java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", file), {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (format.status !== 0) throw new Error(`Kafka's storage could not be formatted: ${format.stderr}${format.stdout}`);
  let child: ChildProcess | undefined;
  const engine: Engine = {
    port,
    version: `Kafka ${/kafka_[\d.]+-(.+)\.jar/.exec(basename(server))?.[1]}`,
    async start() {
      const started = spawn("java", java("kafka.Kafka", file), { stdio: "ignore" });
      child = started;
      children.add(started);
      started.once("exit", () => children.delete(started));
      await reachable(port);
    },
    async kill() {
      await killed(child);
      child = undefined;
    },
    async dispose() {
      await engine.kill();
      rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  await engine.start();
  return engine;
}
