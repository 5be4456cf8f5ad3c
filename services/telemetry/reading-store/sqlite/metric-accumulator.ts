import type { SQLOutputValue } from "node:sqlite";
import type { AggregateFunction, MetricValue } from "../../../../schemas/telemetry.ts";
import type { MetricAggregate } from "../reading-store.ts";
import type { Metric } from "./device-metrics.ts";
import { numberSql, valueSql } from "./values.ts";

/** Result columns of one metric in `partialsSql`. */
export const PARTIALS = 7;

const NUMERIC: readonly AggregateFunction[] = ["avg", "min", "max", "sum"];

/**
 * SQL for the partial aggregates of some metrics over [ts, ts) of one device; a column that no function needs is NULL.
 * Value and number are worked out once per reading: the LIMIT keeps SQLite from pulling the inner expressions apart
 * into each aggregate.
 */
export function partialsSql(slots: readonly number[], functions: readonly AggregateFunction[]): string {
  const numeric = functions.some((name) => NUMERIC.includes(name));
  const inner = slots.map((slot, i) => `${valueSql(slot)} AS a${i}, ${numeric ? numberSql(slot) : "NULL"} AS n${i}`);
  const instant = (i: number) => `CASE WHEN a${i} IS NOT NULL THEN ts END`;
  const needed = (sql: string, ...names: AggregateFunction[]) =>
    functions.some((name) => names.includes(name)) ? sql : "NULL";
  const outer = slots.map((_, i) =>
    [
      `count(a${i})`,
      needed(`count(n${i})`, ...NUMERIC),
      needed(`sum(n${i})`, "avg", "sum"),
      needed(`min(n${i})`, "min"),
      needed(`max(n${i})`, "max"),
      needed(`min(${instant(i)})`, "first"),
      needed(`max(${instant(i)})`, "last"),
    ].join(", "),
  );
  return (
    `SELECT ${outer.join(", ")} FROM ` +
    `(SELECT ts, ${inner.join(", ")} FROM reading WHERE dev = ? AND ts >= ? AND ts < ? LIMIT -1)`
  );
}

/** Puts the partial aggregates of one metric in one interval together. */
export class MetricAccumulator {
  readonly metric: Metric;
  #count = 0;
  #numbers = 0;
  #sum = 0;
  /** What adding to `#sum` lost so far (Neumaier's summation). */
  #lost = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #firstTs = Number.POSITIVE_INFINITY;
  #lastTs = Number.NEGATIVE_INFINITY;

  constructor(metric: Metric) {
    this.metric = metric;
  }

  /** @param row the metric's columns of `partialsSql` */
  add(row: readonly SQLOutputValue[]): void {
    const [count, numbers, sum, min, max, firstTs, lastTs] = row as (number | null)[];
    if (!count) return;
    this.#count += count;
    this.#firstTs = Math.min(this.#firstTs, Number(firstTs));
    this.#lastTs = Math.max(this.#lastTs, Number(lastTs));
    if (!numbers) return;
    this.#numbers += numbers;
    this.#min = Math.min(this.#min, Number(min));
    this.#max = Math.max(this.#max, Number(max));
    // SQLite gives NULL for infinity less infinity.
    this.#addSum(sum ?? Number.NaN);
  }

  /** Undefined where the interval has no value of the metric. */
  result(
    functions: readonly AggregateFunction[],
    valueAt: (ts: number, edge: "first" | "last") => MetricValue | undefined,
  ): MetricAggregate | undefined {
    if (this.#count === 0) return undefined;
    const sum = this.#sum + this.#lost;
    const values: Record<AggregateFunction, () => MetricValue | undefined> = {
      count: () => this.#count,
      avg: () => sum / this.#numbers,
      sum: () => (this.#numbers > 0 ? sum : undefined),
      min: () => this.#min,
      max: () => this.#max,
      first: () => valueAt(this.#firstTs, "first"),
      last: () => valueAt(this.#lastTs, "last"),
    };
    const entries = functions.map((name) => [name, values[name]()] as const);
    return Object.fromEntries(entries.filter(([, value]) => isResult(value)));
  }

  #addSum(value: number): void {
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
  }
}

/** An infinity says that there was no number, or that the result is beyond the doubles. */
const isResult = (value: MetricValue | undefined): boolean =>
  typeof value === "number" ? Number.isFinite(value) : value !== undefined;
