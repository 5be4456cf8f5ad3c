import { parseFilter } from "./parse-filter.ts";
import type { StoreFile } from "./store-file.ts";
import { CollectionWriter } from "./write.ts";

/** Documents removed in one transaction, so that a sweep never holds the event loop for long. */
export const SWEEP_BATCH = 500;

/**
 * Removes documents whose time is over, one batch; as MongoDB's TTL monitor: the date, or the earliest of an array.
 *
 * @returns whether there may be more.
 */
export function sweepExpired(file: StoreFile, now: Date): boolean {
  if (!file.read(() => file.catalog.all().some(({ indexes }) => indexes.some(isExpiring)))) return false;
  return file.write(() => {
    let left = SWEEP_BATCH;
    for (const entry of file.catalog.all()) {
      const writer = new CollectionWriter(file, entry);
      for (const index of entry.indexes) {
        const [field] = index.key;
        if (!isExpiring(index) || !field || left === 0) continue;
        const before = new Date(now.getTime() - index.expireAfterSeconds * 1000);
        const expired = { [field.path]: { $lt: before } };
        const filter = parseFilter(
          index.partialFilterExpression ? { $and: [expired, index.partialFilterExpression] } : expired,
        );
        const rows = writer.rows({ filter, sort: [], skip: 0, limit: left });
        for (const row of rows) writer.delete(row);
        left -= rows.length;
      }
    }
    return left === 0;
  });
}

const isExpiring = (index: { expireAfterSeconds?: number }): index is { expireAfterSeconds: number } =>
  index.expireAfterSeconds !== undefined;
