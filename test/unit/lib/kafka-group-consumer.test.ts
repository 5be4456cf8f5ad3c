import assert from "node:assert/strict";
import { test } from "node:test";
import type { Consumer, ConsumerEvents, EachBatchPayload } from "kafkajs";
import kafkajs from "kafkajs";
import type { Channel } from "../../../lib/channels/base-adapter.ts";
import { GroupConsumer, type GroupConsumerHost } from "../../../lib/channels/kafka/group-consumer.ts";
import type { KafkaClient } from "../../../lib/channels/kafka/kafka-client.ts";

type Listener = (event: { payload: unknown }) => void;

/** A client whose consumers do what a test says. */
class Clients {
  readonly made: {
    emit(name: keyof ConsumerEvents, payload: object): void;
    eachBatch?: (payload: EachBatchPayload) => Promise<void>;
    disconnected: boolean;
  }[] = [];
  /** A broker that is away never lets a client go. */
  away = false;

  asClient(): KafkaClient {
    return { kafkajs, consumer: () => this.#consumer() } as unknown as KafkaClient;
  }

  #consumer(): Consumer {
    const listeners = new Map<string, Listener>();
    const events = { CRASH: "crash", GROUP_JOIN: "join" };
    const one: Clients["made"][number] = {
      disconnected: false,
      emit: (name, payload) => listeners.get(events[name as "CRASH"])?.({ payload }),
    };
    this.made.push(one);
    return {
      events,
      on: (name: string, listener: Listener) => listeners.set(name, listener),
      connect: async () => {},
      subscribe: async () => {},
      run: async ({ eachBatch }: { eachBatch: (payload: EachBatchPayload) => Promise<void> }) => {
        one.eachBatch = eachBatch;
      },
      disconnect: () => {
        one.disconnected = true;
        return this.away ? new Promise<void>(() => {}) : Promise.resolve();
      },
      commitOffsets: async () => {},
      seek: () => {},
    } as unknown as Consumer;
  }
}

function consumerOf(clients: Clients, handler: Channel["handler"]) {
  const troubles: unknown[] = [];
  const host: GroupConsumerHost = {
    processBatch: (batch) => batch.deliver().then(() => batch.commit()),
    active: () => {},
    beginnings: async () => [],
    writeDeadLetter: async () => {},
    failed: () => {},
    troubled: (_chan, error) => troubles.push(error),
  };
  const chan = { ...{ id: "1", name: "readings", group: "store" }, unsubscribing: false, maxRetries: 0, handler };
  const options = { retryMs: 1, retryMaxMs: 5, batchSize: 10, batchBytesMax: 1000 };
  return { troubles, consumer: new GroupConsumer(clients.asClient(), host, chan, "readings:store", options) };
}

const payload = (committed: string[], refuse?: () => Error | undefined) =>
  ({
    batch: {
      ...{ topic: "readings", partition: 2 },
      messages: [{ key: null, value: Buffer.from("1"), offset: "41", timestamp: "0", headers: {} }],
    },
    resolveOffset: () => {},
    heartbeat: async () => {},
    isRunning: () => true,
    isStale: () => false,
    async commitOffsetsIfNecessary({ topics }: { topics: { partitions: { partition: number; offset: string }[] }[] }) {
      const error = refuse?.();
      if (error) throw error;
      for (const { partition, offset } of topics[0]?.partitions ?? []) committed.push(`${partition}:${offset}`);
    },
  }) as unknown as EachBatchPayload;

test("a client that crashes for good is replaced by another one, and stop ends although the last never answers", async (t) => {
  const clients = new Clients();
  const seen: unknown[] = [];
  const { consumer, troubles } = consumerOf(clients, async (one) => void seen.push(one));
  await t.waitFor(() => assert.ok(clients.made[0]?.eachBatch), { timeout: 10_000 });
  clients.made[0]?.emit("CRASH", { error: new Error("not aware of this member"), restart: false });
  await t.waitFor(() => assert.ok(clients.made[1]?.eachBatch), { timeout: 10_000 });
  assert.ok(clients.made[0]?.disconnected);
  assert.match(String(troubles[0]), /not aware of this member/);
  const committed: string[] = [];
  await clients.made[1]?.eachBatch?.(payload(committed));
  assert.deepEqual([seen, committed], [[1], ["2:42"]]);
  clients.away = true;
  consumer.stop();
  await consumer.ended;
});

test("a crash awaits the handler that runs: a partition is never in two handlers at once", async (t) => {
  const clients = new Clients();
  const go = Promise.withResolvers<void>();
  const { consumer } = consumerOf(clients, () => go.promise);
  await t.waitFor(() => assert.ok(clients.made[0]?.eachBatch), { timeout: 10_000 });
  const taken = clients.made[0]?.eachBatch?.(payload([]));
  clients.made[0]?.emit("CRASH", { error: new Error("crash") });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(clients.made.length, 1);
  go.resolve();
  await taken;
  await t.waitFor(() => assert.equal(clients.made.length, 2), { timeout: 10_000 });
  consumer.stop();
  await consumer.ended;
});

test("a commit that fails is tried again without another delivery; one that the group refuses gives the batch up", async (t) => {
  const clients = new Clients();
  const seen: unknown[] = [];
  const { consumer } = consumerOf(clients, async (one) => void seen.push(one));
  await t.waitFor(() => assert.ok(clients.made[0]?.eachBatch), { timeout: 10_000 });
  const eachBatch = clients.made[0]?.eachBatch as (payload: EachBatchPayload) => Promise<void>;
  const committed: string[] = [];
  let failures = 3;
  await eachBatch(payload(committed, () => (failures-- > 0 ? new Error("connection closed") : undefined)));
  assert.deepEqual([seen, committed], [[1], ["2:42"]]);
  const refusal = Object.assign(new Error("rebalancing"), { type: "ILLEGAL_GENERATION" });
  await assert.rejects(eachBatch(payload(committed, () => refusal)), refusal);
  assert.deepEqual(committed, ["2:42"]);
  consumer.stop();
  await consumer.ended;
});
