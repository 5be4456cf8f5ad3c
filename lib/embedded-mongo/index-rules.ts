import type { BsonDocument } from "./bson-value.ts";
import type { IndexEntry } from "./catalog.ts";
import { serverError } from "./errors.ts";
import { keysAtPath } from "./path.ts";

/** @throws MongoServerError 171 when a compound index would have to hold every pair of two arrays. */
export function refuseParallelArrays(indexes: readonly IndexEntry[], document: BsonDocument): void {
  for (const { key } of indexes) {
    if (key.length < 2) continue;
    const arrays = new Set<string>();
    for (const { parts } of key) {
      const { arrayAt } = keysAtPath(document, parts);
      if (arrayAt > 0) arrays.add(parts.slice(0, arrayAt).join("."));
    }
    if (arrays.size > 1)
      throw serverError(171, "CannotIndexParallelArrays", `cannot index parallel arrays [${[...arrays].join("] [")}]`);
  }
}
