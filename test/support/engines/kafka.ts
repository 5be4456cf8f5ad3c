import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

export interface KafkaOptions {
  /** Server properties beside those that a test needs. */
  settings?: Record<string, string>;
  /** Given: there is also a listener with TLS and a password (SCRAM-SHA-256), at `securePort`. */
  secure?: { certFile: string; keyFile: string; user: string; password: string };
}

/** A Kafka of one node (KRaft) on loopback, with its data in a temporary folder. @throws Error where there is none */
export async function startKafka({
  settings = {},
  secure,
}: KafkaOptions = {}): Promise<Engine & { securePort: number }> {
  const [server] = globSync(join(KAFKA_HOME, "kafka_2.*.jar"));
  if (!server || !existsSync(KAFKA_HOME))
    throw new Error(`no Kafka in ${KAFKA_HOME}: run .ci/engines, or set KAFKA_HOME`);
  const dir = mkdtempSync(join(tmpdir(), "ganglion-kafka-"));
  const [port, controller, securePort] = [await freePort(), await freePort(), await freePort()];
  const also = secure ? `,SASL_SSL://127.0.0.1:${securePort}` : "";
  const file = join(dir, "server.properties");
  const properties = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}${also}`,
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${port}${also}`,
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
    ...(secure ? secureProperties(join(dir, "server.pem"), secure) : {}),
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
  const scram = secure ? ["--add-scram", `SCRAM-SHA-256=[name=${secure.user},password=${secure.password}]`] : [];
  const format = spawnSync("java", java("kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", file, ...scram), {
    encoding: "utf8",
    timeout: 60_000,
  });
  if (format.status !== 0) throw new Error(`Kafka's storage could not be formatted: ${format.stderr}${format.stdout}`);
  let child: ChildProcess | undefined;
  const engine = {
    port,
    securePort,
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

function secureProperties(pem: string, { certFile, keyFile }: NonNullable<KafkaOptions["secure"]>) {
  writeFileSync(pem, readFileSync(keyFile, "utf8") + readFileSync(certFile, "utf8"));
  return {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
    "ssl.keystore.type": "PEM",
    "ssl.keystore.location": pem,
    "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config":
      "org.apache.kafka.common.security.scram.ScramLoginModule required;",
  };
}
