import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { startKafka } from "../support/engines/kafka.ts";
import { mongoVersion, startMongo } from "../support/engines/mongo.ts";
import { type NatsServer, natsVersion, startNats } from "../support/engines/nats.ts";
import { type Engine, freePort } from "../support/engines/process.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";
import { WorkFlow } from "./work-flow.ts";

/** Each item of work is one of four in so many milliseconds, of each of two workers: 50 a second. */
const WORK_PACE_MS = 160;
const DATABASE = "ganglion";

export interface ClusterOnEngines {
  cluster: Cluster;
  kafka: Engine;
  rabbitmq: RabbitMq;
  nats: NatsServer;
  mongo: Pick<Engine, "kill" | "start"> & { url: string };
  /** Goes on through every outage. */
  work: WorkFlow;
}

/** The platform as processes over NATS, on Kafka, RabbitMQ and a server that speaks MongoDB's protocol, all by URL. */
export async function startClusterOnEngines(
  t: TestContext,
  more: Record<string, string> = {},
): Promise<ClusterOnEngines> {
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
      MONGO_URL: `${mongo.url}/${DATABASE}`,
      LOG_LEVEL: "warn",
      HTTP_RATE_LIMIT: "1000000",
      ...more,
    },
  });
  undo.push(() => cluster.kill());

  const work = new WorkFlow(rabbitmq, { paceMs: WORK_PACE_MS });
  undo.push(() => work.dispose());
  await work.begin();
  return {
    ...{ cluster, kafka, rabbitmq, nats, work },
    mongo: {
      url: `${mongo.url}/${DATABASE}`,
      async kill() {
        mongo.process.signal("SIGKILL");
        await mongo.process.ended;
      },
      async start() {
        mongo = await startMongo(mongoOptions);
      },
    },
  };
}
