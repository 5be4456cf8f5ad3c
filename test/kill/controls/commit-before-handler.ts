// A build broken on purpose, loaded before the platform: a consumer's position is committed before its handler has had
// the batch.
import type { Batch } from "../../../lib/channels/consumer-loop.ts";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";

// The method is protected, and a control has no business in being allowed.
const adapter = SqliteFactsAdapter.prototype as unknown as { processBatch(batch: Batch): Promise<void> };
adapter.processBatch = async (batch) => {
  await batch.commit();
  await batch.deliver();
};
