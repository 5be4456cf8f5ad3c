import type { AggregateFunction, MetricValue } from "../../../../schemas/telemetry.ts";
import type { Bounds } from "../../interval.ts";
import type { DeviceKey, MetricAggregate } from "../reading-store.ts";
import type { Metric } from "./device-metrics.ts";
import { within } from "./key.ts";

type Document = Record<string, unknown>;

/** One metric in one interval, as the server adds it up. */
export interface Partial {
  _id: { i: number; k: string };
  count: number;
  numbers?: number;
  sum?: number;
  min?: number | null;
  max?: number | null;
  first?: { v: MetricValue };
  last?: { v: MetricValue };
}

const NUMERIC: readonly AggregateFunction[] = ["avg", "min", "max", "sum"];

/**
 * Aggregates of the metrics in the intervals, by their numbers. The intervals were computed here, by the one set of
 * rules that both engines have; the server only compares instants.
 *
 * @param intervals ascending, none over another; at least one
 */
export function intervalPipeline(
  device: DeviceKey,
  intervals: readonly Bounds[],
  metrics: readonly Metric[],
  functions: readonly AggregateFunction[],
): Document[] {
  const wanted = (...names: AggregateFunction[]) => functions.some((name) => names.includes(name));
  const numeric = wanted(...NUMERIC);
  const [from, to] = [intervals[0]?.start, intervals.at(-1)?.end];
  return [
    { $match: within({ ...device, from, to }) },
    { $project: { i: numberOfInterval(intervals), v: { $objectToArray: "$v" } } },
    { $match: { i: { $gte: 0 } } },
    { $unwind: "$v" },
    { $match: { "v.k": { $in: metrics.map(({ field }) => field) } } },
    ...(numeric ? [{ $set: { n: NUMBER } }] : []),
    {
      $group: {
        _id: { i: "$i", k: "$v.k" },
        count: { $sum: 1 },
        ...(numeric ? { numbers: { $sum: { $cond: [{ $eq: ["$n", null] }, 0, 1] } } } : {}),
        ...(wanted("sum", "avg") ? { sum: { $sum: "$n" } } : {}),
        ...(wanted("min") ? { min: { $min: "$n" } } : {}),
        ...(wanted("max") ? { max: { $max: "$n" } } : {}),
        // Documents are compared member by member, and no two readings of a device have the same key.
        ...(wanted("first") ? { first: { $min: VALUE_WITH_PLACE } } : {}),
        ...(wanted("last") ? { last: { $max: VALUE_WITH_PLACE } } : {}),
      },
    },
  ];
}

/** The value as a number: booleans as 0 and 1, null for text. */
const NUMBER = {
  $cond: [
    { $isNumber: "$v.v" },
    "$v.v",
    { $cond: [{ $eq: [{ $type: "$v.v" }, "bool"] }, { $cond: ["$v.v", 1, 0] }, null] },
  ],
};

const VALUE_WITH_PLACE = { ts: "$_id.ts", seq: "$_id.seq", v: "$v.v" };

/** Expression for the number of the interval that holds the reading, -1 for none: a tree of comparisons. */
function numberOfInterval(intervals: readonly Bounds[]): unknown {
  // Each mark begins an interval, or a gap.
  const marks: { at: number; number: number }[] = [];
  for (const [number, { start, end }] of intervals.entries()) {
    if (marks.at(-1)?.at === start) marks.pop();
    marks.push({ at: start, number }, { at: end, number: -1 });
  }
  const search = (low: number, high: number): unknown => {
    if (low === high) return marks[low - 1]?.number ?? -1;
    const middle = (low + high + 1) >> 1;
    return {
      $cond: [{ $gte: ["$_id.ts", marks[middle - 1]?.at] }, search(middle, high), search(low, middle - 1)],
    };
  };
  return search(0, marks.length);
}

/** What was asked for; a function is left out where no value is for it, or where the result is beyond the doubles. */
export function resultOf(partial: Partial, functions: readonly AggregateFunction[]): MetricAggregate {
  const { count, numbers = 0, min, max, first, last } = partial;
  const sum = Number(partial.sum ?? 0);
  const values: Record<AggregateFunction, () => MetricValue | undefined> = {
    count: () => count,
    avg: () => (numbers > 0 ? sum / numbers : undefined),
    sum: () => (numbers > 0 ? sum : undefined),
    min: () => min ?? undefined,
    max: () => max ?? undefined,
    first: () => first?.v,
    last: () => last?.v,
  };
  const entries = functions.map((name) => [name, values[name]()] as const);
  return Object.fromEntries(entries.filter(([, value]) => isResult(value)));
}

const isResult = (value: MetricValue | undefined): boolean =>
  typeof value === "number" ? Number.isFinite(value) : value !== undefined;
