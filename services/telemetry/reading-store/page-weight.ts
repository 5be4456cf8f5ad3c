import type { MetricValues } from "../../../schemas/telemetry.ts";
import type { IntervalAggregate, StoredReading } from "./reading-store.ts";

/** A page ends where its values weigh so much, about bytes as JSON, whatever its limit; it has one item at least. */
export const PAGE_WEIGHT_MAX = 4_194_304;

const NUMBER_WEIGHT = 32;

/** About the bytes of a reading's values as JSON. */
export function weightOfValues(values: MetricValues): number {
  let weight = NUMBER_WEIGHT;
  for (const name in values) {
    const value = values[name];
    weight += NUMBER_WEIGHT + (typeof value === "string" ? value.length : 0);
  }
  return weight;
}

/** About the bytes of an interval's aggregates as JSON. */
export function weightOfAggregates(metrics: IntervalAggregate["metrics"]): number {
  let weight = NUMBER_WEIGHT;
  for (const name in metrics) weight += NUMBER_WEIGHT + weightOfValues(metrics[name] as MetricValues);
  return weight;
}

/** Whether a page of a store may have another behind it. */
export function isFull(page: readonly StoredReading[] | readonly IntervalAggregate[], limit: number): boolean {
  if (page.length >= limit) return true;
  let weight = 0;
  for (const item of page) weight += "values" in item ? weightOfValues(item.values) : weightOfAggregates(item.metrics);
  return weight >= PAGE_WEIGHT_MAX;
}
