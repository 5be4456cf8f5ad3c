// A build broken on purpose, loaded before the platform: a consumer's position is committed before its handler has had
// the batch.
import { setTimeout as sleep } from "node:timers/promises";
import type { Batch } from "../../../lib/channels/consumer-loop.ts";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";

/** A handler takes a millisecond or two: without this a handful of kills may miss every moment between the two. */
const BETWEEN_MS = 20;

// The method is protected, and a control has no business in being allowed.
const adapter = SqliteFactsAdapter.prototype as unknown as { processBatch(batch: Batch): Promise<void> };
adapter.processBatch = async (batch) => {
  await batch.commit();
  await sleep(BETWEEN_MS);
  await batch.deliver();
};
