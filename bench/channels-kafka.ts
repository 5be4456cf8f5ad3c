import { type Admin, Kafka, logLevel, Partitioners } from "kafkajs";
import type { ServiceSchema } from "moleculer";
import { startBroker } from "../test/support/broker.ts";
import { startKafka } from "../test/support/engines/kafka.ts";
import { median, rounded } from "./median.ts";
import type { Bench } from "./run.ts";

const PARTITIONS = 6;
/** Messages in flight, and of one request of the raw client. */
const IN_FLIGHT = 1000;
const CONSUMED_AT_ONCE = 500;
const DEVICES = 1000;
const TOPIC = "telemetry.received";

/** One run of one side. */
interface Run {
  /** Until the last was acknowledged. */
  publishedPerSecond: number;
  /** Until the last was handled and committed; publishing and consuming run at once. */
  messagesPerSecond: number;
  cpuMicrosPerMessage: number;
}

/** A JSON payload of about 200 bytes. */
const payloadOf = (n: number) => ({
  tenantId: "default",
  deviceId: `device-${n % DEVICES}`,
  messageId: `0123456789abcdef-${n}`,
  receivedAt: 1_700_000_000_000 + n,
  items: [{ ts: 1_700_000_000_000_000 + n * 1000, values: { temperature: 21.5, humidity: 47.25, n } }],
});
const keyOf = (n: number) => `default/device-${n % DEVICES}`;

/**
 * What `broker.publish` and a batch handler of the product do, next to kafkajs alone: the same payload, keys,
 * partitions, acks (all), idempotence, requests and batches, JSON on both sides, one commit per batch. In turn, several
 * runs; the ratio is the median of each round's.
 */
export const kafkaChannels: Bench = async ({ short }) => {
  const kafka = await startKafka();
  console.log(kafka.version);
  const brokers = [`127.0.0.1:${kafka.port}`];
  const messages = short ? 20_000 : 200_000;
  const rounds = short ? 1 : 5;
  const [raw, ours]: [Run[], Run[]] = [[], []];
  try {
    // The first run of each finds cold code and a broker that has just started.
    await throughRaw(brokers, "raw-warm-up", 20_000);
    await throughBroker(brokers, 20_000);
    for (let round = 1; round <= rounds; round++) {
      raw.push(await throughRaw(brokers, `raw-${round}`, messages));
      ours.push(await throughBroker(brokers, messages));
      for (const [name, { messagesPerSecond, publishedPerSecond, cpuMicrosPerMessage }] of [
        ["kafkajs", raw.at(-1) as Run],
        ["ours", ours.at(-1) as Run],
      ] as const)
        console.log(
          `run ${round} ${name}: ${messagesPerSecond} messages/s (published ${publishedPerSecond}/s), ${cpuMicrosPerMessage} us CPU per message`,
        );
    }
  } finally {
    await kafka.dispose();
  }
  const middle = (runs: Run[], figure: keyof Run, digits = 0) =>
    rounded(median(runs.map((run) => run[figure])), digits);
  const figures = (runs: Run[]) => ({
    messagesPerSecond: middle(runs, "messagesPerSecond"),
    publishedPerSecond: middle(runs, "publishedPerSecond"),
    cpuMicrosPerMessage: middle(runs, "cpuMicrosPerMessage", 2),
  });
  const ratio = (figure: keyof Run) =>
    rounded(median(ours.map((run, round) => run[figure] / (raw[round] as Run)[figure])), 2);
  return {
    kafkaVsRaw: ratio("messagesPerSecond"),
    kafkaCpuVsRaw: ratio("cpuMicrosPerMessage"),
    kafka: { ...figures(ours), raw: figures(raw), messages, runs: rounds, version: kafka.version },
  };
};

/** Runs both sides of one run: `send` publishes some messages and resolves when they are acknowledged. */
async function measured(messages: number, send: (from: number, to: number) => Promise<void>, consumed: Promise<void>) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  for (let from = 0; from < messages; from += IN_FLIGHT) await send(from, Math.min(from + IN_FLIGHT, messages));
  const published = performance.now() - begun;
  await consumed;
  const seconds = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    publishedPerSecond: rounded((messages / published) * 1000, 0),
    messagesPerSecond: rounded(messages / seconds, 0),
    cpuMicrosPerMessage: rounded((user + system) / messages, 2),
  };
}

/** Resolves when so many have been counted. */
function countdown(messages: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = messages;
  return {
    done: promise,
    count(handled: number) {
      left -= handled;
      if (left <= 0) resolve();
    },
  };
}

async function throughBroker(brokers: string[], messages: number): Promise<Run> {
  const { done, count } = countdown(messages);
  const service = {
    name: "bench",
    facts: {
      [TOPIC]: {
        group: "bench",
        batch: { size: CONSUMED_AT_ONCE },
        handler: async ({ params }: { params: unknown[] }) => count(params.length),
      },
    },
  } as unknown as ServiceSchema;
  const started = await startBroker([service], {
    KAFKA_BROKERS: brokers.join(","),
    KAFKA_PARTITIONS: String(PARTITIONS),
    CHANNEL_PENDING_MAX: String(IN_FLIGHT * 2),
  });
  const publish = started.broker.publish as (channel: string, payload: object, options: object) => Promise<void>;
  // A consumer that has not joined yet would make this a measurement of joining.
  await joined(brokers, `${TOPIC}:bench`);
  const send = async (from: number, to: number) => {
    const stored: Promise<void>[] = [];
    for (let n = from; n < to; n++) stored.push(publish(TOPIC, payloadOf(n), { key: keyOf(n) }));
    await Promise.all(stored);
  };
  const run = await measured(messages, send, done);
  await started.stop();
  return run;
}

async function throughRaw(brokers: string[], topic: string, messages: number): Promise<Run> {
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const consumer = kafka.consumer({ groupId: topic, maxWaitTimeInMs: 500 });
  const { done, count } = countdown(messages);
  await producer.connect();
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    async eachBatch({ batch, resolveOffset, heartbeat }) {
      for (let at = 0; at < batch.messages.length; at += CONSUMED_AT_ONCE) {
        const taken = batch.messages.slice(at, at + CONSUMED_AT_ONCE);
        const payloads = taken.map(({ value }) => JSON.parse(String(value)) as unknown);
        const last = taken.at(-1)?.offset as string;
        await consumer.commitOffsets([{ topic, partition: batch.partition, offset: String(Number(last) + 1) }]);
        resolveOffset(last);
        await heartbeat();
        count(payloads.length);
      }
    },
  });
  await joined(brokers, topic);
  const send = async (from: number, to: number) => {
    const list = [];
    for (let n = from; n < to; n++) list.push({ key: keyOf(n), value: JSON.stringify(payloadOf(n)) });
    await producer.sendBatch({ acks: -1, topicMessages: [{ topic, messages: list }] });
  };
  const run = await measured(messages, send, done);
  await Promise.all([producer.disconnect(), consumer.disconnect()]);
  return run;
}

async function joined(brokers: string[], groupId: string): Promise<void> {
  const admin: Admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  for (;;) {
    const { groups } = await admin.describeGroups([groupId]);
    if (groups[0]?.state === "Stable") break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await admin.disconnect();
}
