import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, type TestContext, test } from "node:test";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { KafkaFactsAdapter, type KafkaFactsOptions } from "../../lib/channels/kafka/kafka-facts.ts";
import type { RawMessage } from "../../lib/channels/message.ts";
import { type Consumer, consumingBroker } from "../ports/facts-channel/consuming-broker.ts";
import { startKafka } from "../support/engines/kafka.ts";
import type { Engine } from "../support/engines/process.ts";

interface Numbered {
  n: number;
}

const WAIT = { timeout: 20_000 };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const ascending = (list: readonly number[]) => list.toSorted((a, b) => a - b);

let kafka: Engine;
let admin: Admin;
before(async () => {
  kafka = await startKafka();
  admin = new Kafka({ brokers: [`127.0.0.1:${kafka.port}`], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
});
after(async () => {
  await admin.disconnect();
  await kafka.dispose();
});

/** Brokers on the same channels, as processes of one platform; the test's end stops them. */
function platform(t: TestContext, options: Partial<KafkaFactsOptions> = {}) {
  const prefix = randomUUID();
  return {
    prefix,
    async process(consumers: Record<string, Consumer[]> = {}) {
      const where = { brokers: [`127.0.0.1:${kafka.port}`] };
      const adapter = new KafkaFactsAdapter({ where, prefix, partitions: 4, retryMs: 5, ...options });
      const broker = await consumingBroker(adapter, consumers);
      let stopped: Promise<void> | undefined;
      const stop = () => {
        stopped ??= broker.stop();
        return stopped;
      };
      t.after(stop);
      const send = (list: number[]) =>
        Promise.all(list.map((n) => broker.publish("readings", { n }, { key: `device-${n % 20}` })));
      return { adapter, broker, stop, send };
    },
  };
}

/** A consumer that notes what it was given. */
function noting(rest: Partial<Consumer> = {}) {
  const seen: { n: number; raw: RawMessage }[] = [];
  const consumer: Consumer = {
    group: "store",
    batch: { size: 50 },
    ...rest,
    async handler(batch: Numbered[], raw: RawMessage[], ctx) {
      await rest.handler?.(batch as never, raw as never, ctx);
      seen.push(...batch.map(({ n }, i) => ({ n, raw: raw[i] as RawMessage })));
    },
  };
  return { seen, consumer, numbers: () => seen.map(({ n }) => n) };
}

test("two processes share the partitions of a group; when one stops the other takes over what it had", async (t) => {
  const { process } = platform(t);
  const [a, b] = [noting(), noting()];
  const [first] = [await process({ readings: [a.consumer] }), await process({ readings: [b.consumer] })];
  await t.waitFor(async () => {
    await first.send(numbers(20));
    assert.ok(a.seen.length > 0 && b.seen.length > 0);
  }, WAIT);
  await t.waitFor(async () => assert.equal(await first.adapter.lag("readings", "store"), 0), WAIT);
  await first.stop();
  const third = await process();
  const [before, of] = [b.seen.length, numbers(100)];
  await third.send(of);
  await t.waitFor(() => assert.deepEqual(ascending(b.numbers().slice(before)), of), WAIT);
});

test("a replay that any process orders reaches the consumers of every process, from a time and from a position", async (t) => {
  const { process } = platform(t);
  const [a, b] = [noting(), noting()];
  const consuming = [await process({ readings: [a.consumer] }), await process({ readings: [b.consumer] })];
  const operator = await process();
  await t.waitFor(async () => {
    await operator.send(numbers(20));
    assert.ok(a.seen.length > 0 && b.seen.length > 0);
  }, WAIT);
  const drained = () => t.waitFor(async () => assert.equal(await operator.adapter.lag("readings", "store"), 0), WAIT);
  await drained();
  const all = ascending([...a.numbers(), ...b.numbers()]);

  for (const from of [operator, consuming[0]]) {
    const [beforeA, beforeB] = [a.seen.length, b.seen.length];
    await from?.adapter.seek("readings", "store", { time: new Date(0) });
    await t.waitFor(
      () => assert.deepEqual(ascending([...a.numbers().slice(beforeA), ...b.numbers().slice(beforeB)]), all),
      WAIT,
    );
    await drained();
  }

  const [beforeA, beforeB] = [a.seen.length, b.seen.length];
  const end = String(await operator.adapter.position("readings", "store"));
  assert.match(end, /^0:\d+,1:\d+,2:\d+,3:\d+$/);
  await operator.adapter.seek("readings", "store", { position: "2:0" });
  const ofTwo = () =>
    [...a.seen.slice(beforeA), ...b.seen.slice(beforeB)].map(({ raw }) => String(raw.position).split(":")[0]);
  const count = Number(/2:(\d+)/.exec(end)?.[1]);
  await t.waitFor(() => assert.deepEqual(ofTwo(), Array(count).fill("2")), WAIT);
  await drained();
  assert.equal(await operator.adapter.position("readings", "store"), end);
});

test("a position that is none, or of a partition that is not there, is refused, naming it", async (t) => {
  const { adapter, send } = await platform(t).process({ readings: [noting().consumer] });
  await send([1]);
  for (const position of [5, "x", "1", "1:2,"])
    await assert.rejects(adapter.seek("readings", "store", { position }), {
      name: "RangeError",
      message: /^position: /,
    });
  await assert.rejects(adapter.seek("readings", "store", { position: "4:0" }), /position: there is no partition 4/);
  await assert.rejects(adapter.seek("readings", "store", { time: new Date(Number.NaN) }), /^RangeError: time: /);
});

test("a dead letter tells the partition and offset where its message was, and keeps its key", async (t) => {
  const { process } = platform(t);
  const positions = new Map<number, unknown>();
  const { consumer, numbers: seen } = noting({
    handler(batch: Numbered[], raw: RawMessage[]) {
      for (const [i, { n }] of batch.entries()) positions.set(n, raw[i]?.position);
      if (batch.some(({ n }) => n % 10 === 7)) throw new TypeError("seven");
    },
  });
  const dead: { n: number; raw: RawMessage }[] = [];
  const undertaker: Consumer = {
    group: "undertaker",
    handler: ({ n }: Numbered, raw: RawMessage) => void dead.push({ n, raw }),
  };
  const { send } = await process({ readings: [consumer], "readings.dead": [undertaker] });
  await send(numbers(40));
  await t.waitFor(() => assert.deepEqual(ascending(dead.map(({ n }) => n)), [7, 17, 27, 37]), WAIT);
  await t.waitFor(
    () =>
      assert.deepEqual(
        ascending(seen()),
        numbers(40).filter((n) => n % 10 !== 7),
      ),
    WAIT,
  );
  for (const { n, raw } of dead) {
    assert.equal(raw.key, `device-${n % 20}`);
    assert.match(String(positions.get(n)), /^\d:\d+$/);
    assert.partialDeepStrictEqual(raw.headers, {
      "x-original-channel": "readings",
      "x-original-group": "store",
      "x-original-position": positions.get(n) as string,
      "x-dead-cause": "delivery_limit",
    });
  }
});

test("a group that is forgotten is unknown afterwards; one that runs cannot be", async (t) => {
  const { process } = platform(t);
  const { consumer, numbers: seen } = noting();
  const { adapter, send, stop } = await process({ readings: [consumer] });
  await send([1]);
  await t.waitFor(() => assert.deepEqual(seen(), [1]), WAIT);
  const operator = await process();
  await assert.rejects(adapter.forget("readings", "store"), { type: "GROUP_ACTIVE", code: 409 });
  await stop();
  await operator.adapter.forget("readings", "store");
  await assert.rejects(operator.adapter.lag("readings", "store"), { type: "GROUP_NOT_FOUND", code: 404 });
  await assert.rejects(operator.adapter.forget("readings", "store"), { type: "GROUP_NOT_FOUND", code: 404 });
});

test("topics are created with the configured partitions and retention; dead letters stay; existing ones are left alone", async (t) => {
  const { process, prefix } = platform(t, { partitions: 5, retentionMs: 7_200_000 });
  await admin.createTopics({ topics: [{ topic: `${prefix}.other`, numPartitions: 2 }], waitForLeaders: true });
  const { broker } = await process();
  for (const channel of ["readings", "readings.dead", "other"]) await broker.publish(channel, { n: 1 });
  const found = async (topic: string) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: 2, name: topic, configNames: ["retention.ms", "message.timestamp.type"] }],
    });
    const config = resources[0]?.configEntries.map(({ configName, configValue }) => `${configName}=${configValue}`);
    return [topics[0]?.partitions.length, ...(config ?? []).sort()];
  };
  const appendTime = "message.timestamp.type=LogAppendTime";
  assert.deepEqual(await found(`${prefix}.readings`), [5, appendTime, "retention.ms=7200000"]);
  assert.deepEqual(await found(`${prefix}.readings.dead`), [1, appendTime, "retention.ms=-1"]);
  assert.equal((await found(`${prefix}.other`))[0], 2);
});

test("a message larger than Kafka takes is refused with 422, and nothing else with it", async (t) => {
  const { process, prefix } = platform(t);
  await admin.createTopics({
    waitForLeaders: true,
    topics: [
      {
        topic: `${prefix}.readings`,
        numPartitions: 1,
        configEntries: [{ name: "max.message.bytes", value: "500000" }],
      },
    ],
  });
  const { consumer, numbers: seen } = noting();
  const { broker } = await process({ readings: [consumer] });
  const pad = "x".repeat(600_000);
  const outcomes = await Promise.allSettled(
    [1, 2, 3].map((n) => broker.publish("readings", n === 2 ? { n, pad } : { n }, { key: "k" })),
  );
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  const { type, code } = (outcomes[1] as PromiseRejectedResult).reason;
  assert.deepEqual({ type, code }, { type: "CHANNEL_PAYLOAD", code: 422 });
  await t.waitFor(() => assert.deepEqual(seen(), [1, 3]), WAIT);
});

test("large messages are consumed in smaller batches", async (t) => {
  const sizes: number[] = [];
  const { process } = platform(t, { batchBytesMax: 100_000, partitions: 1 });
  const store: Consumer = { group: "store", batch: {}, handler: (batch: unknown[]) => void sizes.push(batch.length) };
  const { broker, adapter } = await process({ readings: [store] });
  await Promise.all(numbers(100).map(() => broker.publish("readings", "x".repeat(20_000))));
  await t.waitFor(async () => assert.equal(await adapter.lag("readings", "store"), 0), WAIT);
  assert.equal(Math.max(...sizes), 4);
});

test("a handler that takes longer than Kafka's session keeps its partitions, and its batch is delivered once", async (t) => {
  const { process } = platform(t);
  const { consumer, numbers: seen } = noting({
    async handler() {
      await new Promise((resolve) => setTimeout(resolve, 8000));
    },
  });
  const { adapter, broker } = await process({ readings: [consumer] });
  await broker.publish("readings", { n: 1 }, { key: "k" });
  await t.waitFor(async () => assert.equal(await adapter.lag("readings", "store"), 0), WAIT);
  assert.deepEqual(seen(), [1]);
});

test("a process that hangs longer than its session loses its partitions: its late commit is refused, and the batch comes again", async (t) => {
  const { process } = platform(t);
  let calls = 0;
  const { consumer, numbers: seen } = noting({
    handler() {
      if (++calls > 1) return;
      // Neither heartbeats nor anything else, as when the machine is suspended.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8000);
    },
  });
  const { adapter, send } = await process({ readings: [consumer] });
  await send([1]);
  await t.waitFor(() => assert.deepEqual(seen(), [1, 1]), WAIT);
  await t.waitFor(async () => assert.equal(await adapter.lag("readings", "store"), 0), WAIT);
  await send([2]);
  await t.waitFor(() => assert.deepEqual(seen(), [1, 1, 2]), WAIT);
});
