import type { MetricValue } from "../../../../schemas/telemetry.ts";
import { PAGE_WEIGHT_MAX, weightOfValues } from "../page-weight.ts";
import type { RangeQuery, StoredReading } from "../reading-store.ts";
import { type Devices, deviceMetrics, hasAny, type Metric } from "./device-metrics.ts";
import { along, type ReadingDocument, type Readings, within } from "./key.ts";

/** Readings that come over the wire at once. */
const BATCH_MAX = 1000;

/** A page of readings: one walk along the index from where the former page ended. */
export async function range(readings: Readings, devices: Devices, query: RangeQuery): Promise<StoredReading[]> {
  const metrics = await deviceMetrics(devices, query, query.metrics);
  if (!metrics || (query.metrics && metrics.length === 0)) return [];
  return readPage(readings, metrics, query);
}

/** @param metrics those of `query.metrics`, else all that the device has */
export async function readPage(
  readings: Readings,
  metrics: readonly Metric[],
  query: RangeQuery,
): Promise<StoredReading[]> {
  const page: StoredReading[] = [];
  let weight = 0;
  for await (const { _id, v } of find(readings, metrics, query)) {
    const values = valuesOf(v ?? {}, metrics);
    page.push({ ts: _id.ts, seq: _id.seq, values });
    weight += weightOfValues(values);
    if (weight >= PAGE_WEIGHT_MAX) break;
  }
  return page;
}

function find(readings: Readings, metrics: readonly Metric[], query: RangeQuery) {
  const { order, limit } = query;
  const cursor = query.metrics
    ? readings
        .find({ ...within(query), ...hasAny(metrics) })
        .project<ReadingDocument>(Object.fromEntries(metrics.map(({ field }) => [`v.${field}`, 1])))
    : readings.find(within(query));
  return cursor.sort(along(order)).limit(limit).batchSize(Math.min(limit, BATCH_MAX));
}

/** A slot that the metrics do not show was given while the readings were read: it is left out, as the whole was before. */
export function valuesOf(v: ReadingDocument["v"], metrics: readonly Metric[]): Record<string, MetricValue> {
  const entries: [name: string, value: MetricValue][] = [];
  for (const { name, field } of metrics) {
    const value = v[field];
    if (value !== undefined) entries.push([name, value]);
  }
  return Object.fromEntries(entries);
}
