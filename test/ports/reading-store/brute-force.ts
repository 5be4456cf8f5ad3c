import assert from "node:assert/strict";
import type { AggregateFunction, MetricValue } from "../../../schemas/telemetry.ts";
import type {
  AggregateQuery,
  IntervalAggregate,
  MetricAggregate,
  StoredReading,
} from "../../../services/telemetry/reading-store/reading-store.ts";

/** The aggregates by their definition, in exact integers where a double would round. */
export function bruteForce(readings: readonly StoredReading[], query: AggregateQuery): IntervalAggregate[] {
  const { interval, from = -Infinity, to = Infinity, afterStart, order } = query;
  assert.ok("micros" in interval);
  const width = interval.micros;
  const intervals = new Map<number, StoredReading[]>();
  for (const reading of readings) {
    if (reading.ts < from || reading.ts >= to) continue;
    const quotient = BigInt(reading.ts) / BigInt(width);
    const floor = BigInt(reading.ts) % BigInt(width) < 0n ? quotient - 1n : quotient;
    const start = Number(floor * BigInt(width));
    intervals.set(start, [...(intervals.get(start) ?? []), reading]);
  }
  const items = [...intervals].map(([start, members]) => ({
    start,
    end: start + width,
    metrics: perMetric(members, query),
  }));
  return items
    .filter(({ metrics }) => Object.keys(metrics).length > 0)
    .sort((a, b) => (order === "asc" ? a.start - b.start : b.start - a.start))
    .filter(({ start }) => afterStart === undefined || (order === "asc" ? start > afterStart : start < afterStart))
    .slice(0, query.limit);
}

function perMetric(readings: StoredReading[], query: AggregateQuery): Record<string, MetricAggregate> {
  const inOrder = [...readings].sort((a, b) => a.ts - b.ts || a.seq - b.seq);
  const names = new Set(inOrder.flatMap(({ values }) => Object.keys(values)));
  const metrics: [string, MetricAggregate][] = [];
  for (const name of names) {
    if (query.metrics && !query.metrics.includes(name)) continue;
    const values = inOrder.flatMap((reading) => (Object.hasOwn(reading.values, name) ? [reading.values[name]] : []));
    metrics.push([name, aggregateOf(values as MetricValue[], query.functions)]);
  }
  return Object.fromEntries(metrics);
}

function aggregateOf(values: MetricValue[], functions: readonly AggregateFunction[]): MetricAggregate {
  const numbers = values.filter((value) => typeof value !== "string").map(Number);
  const all: MetricAggregate = {
    count: values.length,
    first: values[0] as MetricValue,
    last: values.at(-1) as MetricValue,
  };
  if (numbers.length > 0) {
    const sum = exactSum(numbers);
    Object.assign(all, { sum, avg: sum / numbers.length, min: Math.min(...numbers), max: Math.max(...numbers) });
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => functions.includes(name as AggregateFunction)));
}

/** Sum of doubles that are multiples of 2^-20 below 2^60, without rounding but the last. */
const exactSum = (numbers: number[]): number =>
  Number(numbers.reduce((sum, number) => sum + BigInt(number * 2 ** 20), 0n)) / 2 ** 20;
