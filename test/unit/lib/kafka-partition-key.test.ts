import assert from "node:assert/strict";
import { test } from "node:test";
import { Partitioners } from "kafkajs";
import { partitionOf } from "../../../lib/channels/kafka/partition-key.ts";

test("a key has the partition that Kafka's own clients choose for it", () => {
  const theirs = Partitioners.DefaultPartitioner();
  const keys = [
    "",
    "a",
    "ab",
    "abc",
    "abcd",
    "gerät 🌡️",
    ...Array.from({ length: 500 }, (_, i) => `tenant-${i % 7}/device-${i}`),
  ];
  for (const partitions of [1, 2, 6, 50]) {
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      ...{ partitionId, leader: 1, partitionErrorCode: 0, replicas: [], isr: [] },
    }));
    assert.deepEqual(
      keys.map((key) => partitionOf(key, partitions)),
      keys.map((key) => theirs({ topic: "t", partitionMetadata, message: { key, value: null } })),
    );
  }
});
