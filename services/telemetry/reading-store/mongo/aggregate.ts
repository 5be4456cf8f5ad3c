import { type Bounds, intervalsOf } from "../../interval.ts";
import { timeZoneOf } from "../../time-zone.ts";
import { PAGE_WEIGHT_MAX, weightOfAggregates } from "../page-weight.ts";
import type { AggregateQuery, IntervalAggregate, MetricAggregate } from "../reading-store.ts";
import { type Devices, deviceMetrics, hasAny, type Metric } from "./device-metrics.ts";
import { intervalPipeline, type Partial, resultOf } from "./interval-pipeline.ts";
import { along, type Readings, within } from "./key.ts";

export interface AggregateOptions {
  /** Intervals of one pipeline at most. @default 200 */
  aggregateIntervalsMax?: number;
  /** Results, one per interval and metric, of one pipeline at most. @default 5000 */
  aggregateResultsMax?: number;
  /** After which the server ends what nobody waits for any more; 0 = never. @default 0 */
  maxTimeMs?: number;
}

/** What is left of the query: moves on with each pipeline. */
interface Span {
  from: number;
  to: number;
}

/**
 * A page of intervals, some of them with each pipeline. Which have readings is seen by a look along the index first, so
 * that a page costs what it shows, however far its readings lie apart.
 */
export async function aggregate(
  readings: Readings,
  devices: Devices,
  query: AggregateQuery,
  { aggregateIntervalsMax = 200, aggregateResultsMax = 5000, maxTimeMs = 0 }: AggregateOptions,
): Promise<IntervalAggregate[]> {
  const metrics = await deviceMetrics(devices, query, query.metrics);
  if (!metrics || metrics.length === 0) return [];
  const { functions, order, afterStart, limit, timeZone } = query;
  const boundsOf = intervalsOf(query.interval, timeZone === undefined ? undefined : timeZoneOf(timeZone));
  const span = { from: query.from ?? Number.MIN_SAFE_INTEGER, to: query.to ?? Number.MAX_SAFE_INTEGER };
  const goOn = ({ start, end }: Bounds) => {
    if (order === "asc") span.from = Math.max(span.from, end);
    else span.to = Math.min(span.to, start);
  };
  if (afterStart !== undefined) goOn(boundsOf(afterStart));

  const most = Math.max(1, Math.min(aggregateIntervalsMax, Math.floor(aggregateResultsMax / metrics.length)));
  const items: IntervalAggregate[] = [];
  let weight = 0;
  while (items.length < limit && weight < PAGE_WEIGHT_MAX && span.from < span.to) {
    const wanted = Math.min(most, limit - items.length);
    const intervals = await nextIntervals(readings, metrics, query, span, boundsOf, wanted);
    const last = intervals.at(-1);
    if (!last) break;
    const results = await resultsOf(readings, metrics, query, span, intervals, maxTimeMs);
    for (const [index, { start, end }] of intervals.entries()) {
      const found = results[index];
      if (!found || weight >= PAGE_WEIGHT_MAX) continue;
      const item = { start, end, metrics: Object.fromEntries(inOrder(found, metrics, functions)) };
      items.push(item);
      weight += weightOfAggregates(item.metrics);
    }
    goOn(last);
  }
  return items;
}

/**
 * The next intervals that hold a reading, in the query's order. Where readings lie close together, those that follow
 * are taken along unseen.
 */
async function nextIntervals(
  readings: Readings,
  metrics: readonly Metric[],
  query: AggregateQuery,
  span: Span,
  boundsOf: (ts: number) => Bounds,
  wanted: number,
): Promise<Bounds[]> {
  const { order } = query;
  const seen = await readings
    .find({ ...within({ ...query, ...span }), ...(query.metrics ? hasAny(metrics) : {}) })
    .project<{ _id: { ts: number } }>({ _id: 1 })
    .sort(along(order))
    .limit(wanted)
    .toArray();
  const intervals: Bounds[] = [];
  for (const { _id } of seen) {
    const last = intervals.at(-1);
    if (!last || _id.ts < last.start || _id.ts >= last.end) intervals.push(boundsOf(_id.ts));
  }
  if (seen.length < wanted) return intervals;
  for (let last = intervals.at(-1); last && intervals.length < wanted; last = intervals.at(-1)) {
    if (order === "asc" ? last.end >= span.to : last.start <= span.from) break;
    intervals.push(boundsOf(order === "asc" ? last.end : last.start - 1));
  }
  return intervals;
}

/** What the server finds in each interval, by the interval's place in the list and the metric's field. */
async function resultsOf(
  readings: Readings,
  metrics: readonly Metric[],
  query: AggregateQuery,
  { from, to }: Span,
  intervals: readonly Bounds[],
  maxTimeMS: number,
): Promise<Map<string, Partial>[]> {
  const descending = query.order === "desc";
  const clipped = intervals.map(({ start, end }) => ({ start: Math.max(start, from), end: Math.min(end, to) }));
  const pipeline = intervalPipeline(query, descending ? clipped.toReversed() : clipped, metrics, query.functions);
  const results: Map<string, Partial>[] = [];
  for await (const partial of readings.aggregate<Partial>(pipeline, { allowDiskUse: true, maxTimeMS })) {
    const index = descending ? intervals.length - 1 - partial._id.i : partial._id.i;
    const found = results[index] ?? new Map<string, Partial>();
    results[index] = found.set(partial._id.k, partial);
  }
  return results;
}

function inOrder(
  found: ReadonlyMap<string, Partial>,
  metrics: readonly Metric[],
  functions: AggregateQuery["functions"],
): [string, MetricAggregate][] {
  return metrics.flatMap(({ name, field }) => {
    const partial = found.get(field);
    return partial ? [[name, resultOf(partial, functions)]] : [];
  });
}
