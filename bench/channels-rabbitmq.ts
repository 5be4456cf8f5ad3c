import { connect } from "amqplib";
import { RabbitmqWorkAdapter } from "../lib/channels/rabbitmq/rabbitmq-work.ts";
import { workingBroker } from "../test/ports/work-channel/working-broker.ts";
import { type RabbitMq, startRabbitMq } from "../test/support/engines/rabbitmq.ts";
import { median, rounded } from "./median.ts";
import type { Bench } from "./run.ts";

/** Messages that wait for their confirmation at once. */
const IN_FLIGHT = 1000;
const PREFETCH = 100;

/** One run of one side. */
interface Run {
  /** Until the last was confirmed. */
  publishedPerSecond: number;
  /** Until the last was handled and acknowledged; publishing and consuming run at once. */
  messagesPerSecond: number;
  cpuMicrosPerMessage: number;
}

/** A JSON payload of about 200 bytes. */
const payloadOf = (n: number) => ({
  tenantId: "default",
  deviceId: `device-${n % 1000}`,
  commandId: `0123456789abcdef-${n}`,
  requestedAt: 1_700_000_000_000 + n,
  name: "set-interval",
  parameters: { seconds: n % 60, mode: "economy", reason: "the battery is low", n },
});

/**
 * What `broker.publish` and a handler of the product do, next to amqplib alone: the same payload, quorum queue,
 * confirms, prefetch and messages in flight, JSON on both sides, one acknowledgement for each message. In turn, several
 * runs; the ratio is the median of each round's.
 */
export const rabbitmqChannel: Bench = async ({ short }) => {
  const server = await startRabbitMq();
  const messages = short ? 5000 : 30_000;
  const rounds = short ? 1 : 5;
  const [raw, ours]: [Run[], Run[]] = [[], []];
  try {
    // The first run of each finds cold code and a broker that has just started.
    await throughRaw(server, "raw-warm-up", 5000);
    await throughBroker(server, "warm-up", 5000);
    for (let round = 1; round <= rounds; round++) {
      raw.push(await throughRaw(server, `raw-${round}`, messages));
      ours.push(await throughBroker(server, `ours-${round}`, messages));
      for (const [name, { messagesPerSecond, publishedPerSecond, cpuMicrosPerMessage }] of [
        ["amqplib", raw.at(-1) as Run],
        ["ours", ours.at(-1) as Run],
      ] as const)
        console.log(
          `run ${round} ${name}: ${messagesPerSecond} messages/s (published ${publishedPerSecond}/s), ${cpuMicrosPerMessage} us CPU per message`,
        );
    }
  } finally {
    await server.dispose();
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
    rabbitmqVsRaw: ratio("messagesPerSecond"),
    rabbitmqCpuVsRaw: ratio("cpuMicrosPerMessage"),
    rabbitmq: { ...figures(ours), raw: figures(raw), messages, runs: rounds, version: server.version },
  };
};

/** One run: `publish` resolves when its message is confirmed. */
async function measured(messages: number, publish: (n: number) => Promise<void>, consumed: Promise<void>) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < messages) await publish(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
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

async function throughBroker({ url }: RabbitMq, prefix: string, messages: number): Promise<Run> {
  const done = Promise.withResolvers<void>();
  let left = messages;
  const adapter = new RabbitmqWorkAdapter({ url, prefix, ttlMs: 604_800_000 });
  const handler = () => {
    if (--left === 0) done.resolve();
  };
  const broker = await workingBroker(adapter, { jobs: [{ group: "bench", maxInFlight: PREFETCH, handler }] });
  const run = await measured(messages, (n) => broker.publish("jobs", payloadOf(n)), done.promise);
  await broker.stop();
  return run;
}

async function throughRaw({ url }: RabbitMq, queue: string, messages: number): Promise<Run> {
  // Two connections, as ours has.
  const [publishing, consuming] = [await connect(url, { noDelay: true }), await connect(url, { noDelay: true })];
  const channel = await publishing.createConfirmChannel();
  await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
  const consumer = await consuming.createChannel();
  await consumer.prefetch(PREFETCH);
  const done = Promise.withResolvers<void>();
  let left = messages;
  const payloads: unknown[] = [];
  await consumer.consume(queue, (message) => {
    if (!message) return;
    payloads[0] = JSON.parse(message.content.toString());
    consumer.ack(message);
    if (--left === 0) done.resolve();
  });
  const publish = (n: number) =>
    new Promise<void>((resolve, reject) =>
      channel.publish(
        "",
        queue,
        Buffer.from(JSON.stringify(payloadOf(n))),
        { persistent: true, mandatory: true },
        (error) => (error ? reject(error) : resolve()),
      ),
    );
  const run = await measured(messages, publish, done.promise);
  await Promise.all([publishing.close(), consuming.close()]);
  return run;
}
