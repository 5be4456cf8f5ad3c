import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { startKafka } from "../support/engines/kafka.ts";
import { mongoVersion, startMongo } from "../support/engines/mongo.ts";
import { natsVersion, startNats } from "../support/engines/nats.ts";
import { freePort } from "../support/engines/process.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";

/** What may be killed, and come back where it was. */
export interface Victim {
  kill(): Promise<void>;
  /** Resolves when it is there again. */
  start(): Promise<void>;
}

export interface ClusterOnEngines {
  cluster: Cluster;
  rabbitmq: RabbitMq;
  /** By name, the servers and every process of ours. */
  victims: ReadonlyMap<string, Victim>;
}

/** The platform as processes over NATS, on Kafka, RabbitMQ and a server that speaks MongoDB's protocol, all by URL. */
export async function startClusterOnEngines(t: TestContext): Promise<ClusterOnEngines> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-failures-"));
  const undo: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 })];
  // In reverse order, whatever one of them says.
  t.after(async () => {
    for (const one of undo.reverse()) await Promise.resolve(one()).catch(() => {});
  });
  const kafka = await startKafka();
  undo.push(() => kafka.dispose());
  const rabbitmq = await startRabbitMq();
  undo.push(() => rabbitmq.dispose());
  const nats = await startNats();
  undo.push(() => nats.kill());
  const mongoOptions = { storage: join(folder, "mongo"), port: await freePort(), args: ["--sync-on-commit"] };
  let mongo = await startMongo(mongoOptions);
  undo.push(() => mongo.stop());
  for (const version of [kafka.version, rabbitmq.version, natsVersion(), mongoVersion()]) t.diagnostic(version);

  const addresses = { HTTP_PORT: String(await freePort()), MQTT_PORT: String(await freePort()) };
  const cluster = await startCluster({
    shape: "nats",
    nats,
    dataDir: join(folder, "data"),
    readyMs: 60_000,
    env: {
      ...addresses,
      KAFKA_BROKERS: `127.0.0.1:${kafka.port}`,
      RABBITMQ_URL: rabbitmq.url,
      MONGO_URL: `${mongo.url}/ganglion`,
      LOG_LEVEL: "warn",
      HTTP_RATE_LIMIT: "1000000",
    },
  });
  undo.push(() => cluster.kill());

  const victims = new Map<string, Victim>([
    ["Kafka", { kill: () => kafka.kill(), start: () => kafka.start() }],
    ["RabbitMQ", { kill: () => rabbitmq.kill(), start: () => rabbitmq.start() }],
    ["NATS", { kill: () => nats.kill(), start: () => nats.start() }],
    [
      "the Mongo-wire server",
      {
        async kill() {
          mongo.process.signal("SIGKILL");
          await mongo.process.ended;
        },
        async start() {
          mongo = await startMongo(mongoOptions);
        },
      },
    ],
    ...[...cluster.processes.keys()].map((name): [string, Victim] => [
      `process ${name}`,
      {
        kill: async () => void (await cluster.processes.get(name)?.kill("SIGKILL")),
        start: async () => void (await cluster.start(name)),
      },
    ]),
  ]);
  return { cluster, rabbitmq, victims };
}
