import { setTimeout as sleep } from "node:timers/promises";
import { EngineUnavailableError } from "../errors.ts";
import { exclusiveAssigner } from "./exclusive-assigner.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { HEARTBEAT_MS, REBALANCE_MS, SESSION_MS } from "./membership.ts";
import type { PartitionOffset } from "./partition-offsets.ts";

/** Twice what a group waits for a member whose handler runs. */
const TIMEOUT_MS = 2 * (SESSION_MS + REBALANCE_MS);
const DISCONNECT_MS = 1000;

/**
 * Moves a group's positions although it may have consumers anywhere: joins it, is given every partition, writes, leaves.
 *
 * @throws EngineUnavailableError where this takes too long.
 */
export async function seekGroup(
  client: KafkaClient,
  topic: string,
  groupId: string,
  offsets: readonly PartitionOffset[],
  partitions: number,
): Promise<void> {
  const consumer = client.consumer({
    groupId,
    sessionTimeout: SESSION_MS,
    rebalanceTimeout: REBALANCE_MS,
    heartbeatInterval: HEARTBEAT_MS,
    maxWaitTimeInMs: 100,
    partitionAssigners: [exclusiveAssigner(client.kafkajs, true)],
  });
  const running = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  consumer.on(consumer.events.CRASH, ({ payload }) => done.reject(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    // Where two seek at once the other one is first.
    if (payload.memberAssignment[topic]?.length !== partitions) return;
    running.promise
      .then(() =>
        consumer.commitOffsets(offsets.map(({ partition, offset }) => ({ topic, partition, offset: String(offset) }))),
      )
      .then(done.resolve, done.reject);
  });
  const join = async () => {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async () => void (await sleep(100)),
    });
    running.resolve();
  };
  const late = new AbortController();
  try {
    await Promise.race([
      Promise.all([join(), done.promise]),
      sleep(TIMEOUT_MS, undefined, { signal: late.signal }).then(() => {
        throw new EngineUnavailableError(`group '${groupId}' could not be moved within ${TIMEOUT_MS} ms`);
      }),
    ]);
  } finally {
    late.abort();
    await Promise.race([consumer.disconnect().catch(() => {}), sleep(DISCONNECT_MS, undefined, { ref: false })]);
  }
}
