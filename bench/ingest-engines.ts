import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startKafka } from "../test/support/engines/kafka.ts";
import { type MongoServer, mongoVersion, startMongo } from "../test/support/engines/mongo.ts";
import { startRabbitMq } from "../test/support/engines/rabbitmq.ts";
import { type Platform, startPlatform } from "../test/support/platform.ts";
import { CONNECTIONS, DEVICES, generate, measure, type Run, registered } from "./ingest-load.ts";
import { median, rounded } from "./median.ts";
import { cpuMicros } from "./process-figures.ts";

/** A run on the engines. */
interface EngineRun extends Run {
  /** Until the last message was acknowledged: Kafka has them all then. */
  acknowledgedPerSecond: number;
  /** What the stand-in for MongoDB used. */
  mongoCpuMicrosPerMessage: number;
}

/** Each look has the platform write out all of its metrics, which counts as its work. */
const LOOK_MS = 200;

/**
 * The full path on the engines of a cluster, MQTT to Kafka to the store, next to the embedded ones in the same run, both
 * with the same devices and the same way to tell the end: the store's own counter, because a query for the last reading
 * has SecantusDB read all of them, and would be most of what is measured. Each run has a database and topics of its own.
 */
export async function ingestOnEngines({ short }: { short: boolean }): Promise<Record<string, unknown>> {
  const rounds = short ? 1 : 3;
  const messages = short ? 4000 : 20_000;
  const [kafka, rabbitmq] = await Promise.all([startKafka(), startRabbitMq()]);
  const embedded: Run[] = [];
  const engines: EngineRun[] = [];
  try {
    console.log(`${kafka.version}, ${mongoVersion()}`);
    for (let round = 1; round <= rounds; round++) {
      const channels = { KAFKA_BROKERS: `127.0.0.1:${kafka.port}`, RABBITMQ_URL: rabbitmq.url };
      embedded.push(await onFiles(messages));
      engines.push(await onEngines(messages, { ...channels, NAMESPACE: `bench-${round}` }));
      tell(round, embedded.at(-1) as Run, engines.at(-1) as EngineRun);
    }
  } finally {
    await Promise.all([kafka.dispose(), rabbitmq.dispose()]);
  }
  const middle = <Of extends Run>(runs: Of[], figure: keyof Of, digits = 0) =>
    rounded(median(runs.map((run) => Number(run[figure]))), digits);
  return {
    engines: {
      messagesPerSecond: middle(engines, "messagesPerSecond"),
      acknowledgedPerSecond: middle(engines, "acknowledgedPerSecond"),
      serverCpuMicrosPerMessage: middle(engines, "cpuMicrosPerMessage", 2),
      mongoCpuMicrosPerMessage: middle(engines, "mongoCpuMicrosPerMessage", 2),
    },
    embedded: {
      messagesPerSecond: middle(embedded, "messagesPerSecond"),
      serverCpuMicrosPerMessage: middle(embedded, "cpuMicrosPerMessage", 2),
    },
    ...{ messages, runs: rounds, mongo: mongoVersion() },
  };
}

function tell(round: number, embedded: Run, engines: EngineRun): void {
  const told = ({ messagesPerSecond, cpuMicrosPerMessage }: Run) =>
    `${messagesPerSecond} messages/s, ${cpuMicrosPerMessage} us CPU per message`;
  console.log(`run ${round} embedded: ${told(embedded)}`);
  console.log(
    `run ${round} engines: ${told(engines)}; acknowledged ${engines.acknowledgedPerSecond}/s, ${engines.mongoCpuMicrosPerMessage} us CPU of the stand-in for MongoDB`,
  );
}

async function onFiles(messages: number): Promise<Run> {
  return withPlatform({ SQLITE_SYNCHRONOUS: "NORMAL" }, messages, (platform, clients) =>
    measure(platform.pid, messages, async () => {
      await generate(platform.mqtt, clients, messages);
      await allStored(platform, messages);
    }),
  );
}

async function onEngines(messages: number, channels: Record<string, string>): Promise<EngineRun> {
  const mongo = await startMongo();
  try {
    return await withPlatform(
      { ...channels, MONGO_URL: mongo.url, MONGO_TIMEOUT_SECONDS: "60" },
      messages,
      (platform, clients) => measureEngines(platform, mongo, clients, messages),
    );
  } finally {
    await mongo.stop();
  }
}

async function measureEngines(
  platform: Platform,
  { process: { pid } }: MongoServer,
  clients: object[],
  messages: number,
): Promise<EngineRun> {
  const [cpu, begun] = [cpuMicros(pid), performance.now()];
  let acknowledged = begun;
  const run = await measure(platform.pid, messages, async () => {
    await generate(platform.mqtt, clients, messages);
    acknowledged = performance.now();
    await allStored(platform, messages);
  });
  return {
    ...run,
    acknowledgedPerSecond: rounded((messages / (acknowledged - begun)) * 1000, 0),
    mongoCpuMicrosPerMessage: rounded((cpuMicros(pid) - cpu) / messages, 2),
  };
}

/** Whether the last reading of each device is there is looked at when the measurement is over. */
async function withPlatform<Of extends Run>(
  env: Record<string, string>,
  messages: number,
  work: (platform: Platform, clients: object[]) => Promise<Of>,
): Promise<Of> {
  const dataDir = mkdtempSync(join(tmpdir(), "ganglion-bench-"));
  const platform = await startPlatform({ dataDir, env: { LOG_LEVEL: "warn", ...env }, readyMs: 60_000 });
  try {
    const run = await work(platform, await registered(platform));
    await checkLast(platform, messages);
    return run;
  } finally {
    await platform.stop();
    rmSync(dataDir, { recursive: true, maxRetries: 3 });
  }
}

async function allStored({ http }: Platform, messages: number): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`${http}/metrics`)).text();
    const stored = /^telemetry_store_stored\S* (\d+)/m.exec(metrics)?.[1];
    if (Number(stored) >= messages) return;
    await sleep(LOOK_MS);
  }
}

async function checkLast({ http }: Platform, messages: number): Promise<void> {
  for (const id of DEVICES) {
    const last = await fetch(`${http}/v1/devices/${id}/readings?order=desc&limit=1`);
    const { items } = (await last.json()) as { items: { values: { n: number } }[] };
    if (items[0]?.values.n !== messages / CONNECTIONS) throw new Error(`${id}: its last reading is not stored`);
  }
}
