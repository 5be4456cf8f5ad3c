import { METRICS_PER_READING_MAX, type MetricValue, type TelemetryReading } from "../../../schemas/telemetry.ts";
import type { NewestValue } from "../reading-store/reading-store.ts";

/** Newest value of each metric of a device, and the key of the reading that it came with. */
export type LatestMetrics = Map<string, NewestValue>;

/** Whether the value of a reading takes the place of the known one: the order of (ts, seq), as in `last`. */
export const isNewer = (known: NewestValue | undefined, ts: number, seq: number): boolean =>
  known === undefined || ts > known.ts || (ts === known.ts && seq > known.seq);

/**
 * Puts the reading's values in, each where it is the later-measured one: redelivery and reordering therefore change
 * nothing. Tells whether anything changed. A reading that would bring more metrics than a device may have is left out
 * whole, as the reading store leaves it out.
 */
export function mergeReading(into: LatestMetrics, { ts, seq, values }: TelemetryReading, metricsMax: number): boolean {
  if (into.size + METRICS_PER_READING_MAX > metricsMax && exceeds(into, values, metricsMax)) return false;
  let changed = false;
  for (const name in values) {
    const known = into.get(name);
    const value = values[name] as MetricValue;
    if (known === undefined) into.set(name, { ts, seq, value });
    else if (isNewer(known, ts, seq)) {
      known.ts = ts;
      known.seq = seq;
      known.value = value;
    } else continue;
    changed = true;
  }
  return changed;
}

function exceeds(into: LatestMetrics, values: TelemetryReading["values"], metricsMax: number): boolean {
  let size = into.size;
  for (const name in values) if (!into.has(name)) size++;
  return size > metricsMax;
}

interface Range {
  from?: number | undefined;
  to?: number | undefined;
}

const inRange = (ts: number, { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY }: Range) =>
  ts >= from && ts < to;

/** Whether a value's reading is in [from, to). */
export const holdsOf = (metrics: LatestMetrics | undefined, range: Range): boolean =>
  metrics !== undefined && [...metrics.values()].some(({ ts }) => inRange(ts, range));

/** Drops the values whose readings were in [from, to), and puts in what the store has left. */
export function forgetRange(metrics: LatestMetrics, range: Range, left: ReadonlyMap<string, NewestValue>): void {
  for (const [name, { ts }] of metrics) if (inRange(ts, range)) metrics.delete(name);
  for (const [name, { ts, seq, value }] of left)
    if (isNewer(metrics.get(name), ts, seq)) metrics.set(name, { ts, seq, value });
}
