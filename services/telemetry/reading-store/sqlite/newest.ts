import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { MetricValue } from "../../../../schemas/telemetry.ts";
import type { DeviceKey, NewestValue } from "../reading-store.ts";
import { deviceMetrics } from "./device-metrics.ts";
import { range } from "./range.ts";

export interface NewestOptions {
  /** Readings that are walked over before the event loop gets its turn. @default 20000 */
  newestStepRows?: number;
}

const FIRST_STEP_ROWS = 64;

/**
 * The newest value of each metric. Walks back in time until each was found; a metric that is long gone costs a walk to
 * its last reading, in steps.
 */
export async function newest(
  db: DatabaseSync,
  key: DeviceKey,
  { newestStepRows = 20_000 }: NewestOptions,
): Promise<Map<string, NewestValue>> {
  const device = deviceMetrics(db, key);
  const found = new Map<string, NewestValue>();
  if (!device) return found;
  const missing = new Set(device.metrics.map(({ name }) => name));
  const before = db.prepare(
    "SELECT ts FROM reading WHERE dev = ? AND ts < ? ORDER BY ts DESC, seq DESC LIMIT 1 OFFSET ?",
  );
  // Most devices send all they have with the last reading: the first steps are short.
  let rows = Math.min(FIRST_STEP_ROWS, newestStepRows);
  for (let to = Number.MAX_SAFE_INTEGER; missing.size > 0; rows = Math.min(rows * 8, newestStepRows)) {
    const mark = before.get(device.dev, to, rows);
    // Readings of one instant stay together.
    const from = mark ? Number(mark["ts"]) : undefined;
    for (let after: { ts: number; seq: number } | undefined; missing.size > 0; ) {
      const [reading] = range(db, { ...key, from, to, after, metrics: [...missing], order: "desc", limit: 1 });
      if (!reading) break;
      const { ts, seq, values } = reading;
      for (const [name, value] of Object.entries(values) as [string, MetricValue][]) {
        found.set(name, { ts, seq, value });
        missing.delete(name);
      }
      after = { ts, seq };
    }
    if (from === undefined) break;
    to = from;
    await nextTurn();
  }
  return found;
}
