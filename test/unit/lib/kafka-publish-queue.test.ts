import assert from "node:assert/strict";
import { test } from "node:test";
import type { Producer, ProducerBatch, RecordMetadata } from "kafkajs";
import { PublishQueue, type PublishQueueOptions } from "../../../lib/channels/kafka/publish-queue.ts";

type Answer = (batch: ProducerBatch) => Promise<RecordMetadata[]>;

/** What a broker that takes everything answers. */
const all = ({ topicMessages = [] }: ProducerBatch): RecordMetadata[] =>
  topicMessages.flatMap(({ topic: topicName, messages }) =>
    [...new Set(messages.map(({ partition }) => partition as number))].map((partition) => ({
      ...{ topicName, partition, errorCode: 0 },
    })),
  );

/** A queue over a client that answers as told, and what it was given. */
function queueOver(answer: Answer, options: PublishQueueOptions = {}) {
  const sent: number[][] = [];
  let producers = 0;
  const queue = new PublishQueue(
    {
      async newProducer() {
        producers++;
        return {
          disconnect: async () => {},
          sendBatch(batch: ProducerBatch) {
            const values = (batch.topicMessages ?? []).flatMap(({ messages }) =>
              messages.map(({ value }) => Number(value)),
            );
            sent.push(values);
            return answer(batch);
          },
        } as unknown as Producer;
      },
      partitions: async () => 4,
      failed: () => {},
    },
    options,
  );
  const publish = (n: number, key: string | undefined = `k${n}`) => queue.append("readings", key, undefined, String(n));
  return { queue, sent, publish, producers: () => producers };
}

test("what a turn publishes travels at once; one request is outstanding, and what comes meanwhile is the next", async (t) => {
  const go = Promise.withResolvers<void>();
  let outstanding = 0;
  const { sent, publish } = queueOver(async (batch) => {
    assert.equal(++outstanding, 1);
    await go.promise;
    outstanding--;
    return all(batch);
  });
  const first = [1, 2, 3].map((n) => publish(n, "k"));
  await t.waitFor(() => assert.deepEqual(sent, [[1, 2, 3]]), { timeout: 10_000 });
  const second = [4, 5].map((n) => publish(n, "k"));
  // Were it sent at once, it would be by now; the counter in the answer says so whenever it is.
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(sent, [[1, 2, 3]]);
  go.resolve();
  await Promise.all([...first, ...second]);
  assert.deepEqual(sent, [
    [1, 2, 3],
    [4, 5],
  ]);
});

test("what the client's answer leaves out is sent again before anything is acknowledged", async () => {
  let answers = 0;
  const { sent, publish } = queueOver(async (batch) => (++answers === 1 ? all(batch).slice(1) : all(batch)));
  const numbers = Array.from({ length: 40 }, (_, n) => n);
  await Promise.all(numbers.map((n) => publish(n)));
  assert.equal(sent.length, 2);
  const again = sent[1] ?? [];
  assert.ok(again.length > 0 && again.length < 40, `${again.length} of 40 are sent again`);
});

test("a request that is refused rejects its messages, and the next goes through another producer", async () => {
  let answers = 0;
  const { publish, producers } = queueOver(async (batch) => {
    if (++answers === 1) throw Object.assign(new Error("out of order"), { type: "OUT_OF_ORDER_SEQUENCE_NUMBER" });
    return all(batch);
  });
  await assert.rejects(publish(1), { type: "CHANNEL_COMMIT_FAILED", outage: true });
  await publish(2);
  assert.equal(producers(), 2);
});

test("a request has at most its messages and bytes, and a large message one of its own", async () => {
  const { sent, publish, queue } = queueOver(async (batch) => all(batch), { requestMax: 3, requestBytesMax: 700_000 });
  const large = queue.append("readings", "k", undefined, `1${"0".repeat(300)}`.padEnd(400_000));
  await Promise.all([large, ...[1, 2, 3, 4].map((n) => publish(n, "k"))]);
  assert.deepEqual(
    sent.map(({ length }) => length),
    [1, 3, 1],
  );
});

test("messages without a key go to the partitions in turn, those of one request to one", async () => {
  const chosen: (number | undefined)[][] = [];
  const { queue } = queueOver(async (batch) => {
    chosen.push((batch.topicMessages ?? []).flatMap(({ messages }) => messages.map(({ partition }) => partition)));
    return all(batch);
  });
  for (let request = 0; request < 4; request++)
    await Promise.all(["1", "2"].map((value) => queue.append("readings", undefined, undefined, value)));
  assert.deepEqual(chosen.map(([first]) => first).sort(), [0, 1, 2, 3]);
  assert.ok(chosen.every(([a, b]) => a === b));
});

test("above the bytes that may wait publishing is refused until there is room", async () => {
  const { queue, publish } = queueOver(async (batch) => all(batch), { pendingBytesMax: 1000 });
  const waiting = queue.append("readings", "k", undefined, "1".padEnd(2000));
  assert.throws(() => queue.checkRoom(1), { type: "CHANNEL_FULL" });
  await waiting;
  queue.checkRoom(1);
  await publish(2);
});
