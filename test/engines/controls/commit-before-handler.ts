// A build broken on purpose, loaded before the platform: an offset is committed before the handler has had the batch.
import { KafkaFactsAdapter } from "../../../lib/channels/kafka/kafka-facts.ts";
import type { PartitionBatch } from "../../../lib/channels/kafka/partition-batch.ts";

/** After so many batches the store's hang between the two, so that a kill falls in between every time. */
const BATCHES = 3;

// The method is protected, and a control has no business in being allowed.
const adapter = KafkaFactsAdapter.prototype as unknown as { processBatch(batch: PartitionBatch): Promise<void> };
let batches = 0;
adapter.processBatch = async (batch) => {
  await batch.commit();
  if (batch.chan.group === "store" && ++batches > BATCHES) {
    process.stderr.write("the control hangs in between\n");
    await new Promise(() => {});
  }
  await batch.deliver();
};
