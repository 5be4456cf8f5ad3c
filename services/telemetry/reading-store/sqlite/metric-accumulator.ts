import type { SQLOutputValue } from "node:sqlite";
import type { AggregateFunction, MetricValue } from "../../../../schemas/telemetry.ts";
import type { MetricAggregate } from "../reading-store.ts";
import type { Metric } from "./device-metrics.ts";
import { numberSql, otherSql, valueSql } from "./values.ts";

/** Result columns of one metric in `partialsSql`. */
export const PARTIALS = 7;

const NUMERIC: readonly AggregateFunction[] = ["avg", "min", "max", "sum"];

/**
 * SQL for the partial aggregates of some metrics over [ts, ts) of one device; a column that no function needs is NULL.
 *
 * @param mixed false where every value is taken for a number, which costs half as much. A last column tells how many
 *   readings have another one: where there are any, the partials are wrong, except for `count`, `first` and `last`.
 */
export function partialsSql(slots: readonly number[], functions: readonly AggregateFunction[], mixed: boolean): string {
  const columns = slots.map((slot, i) => {
    const value = mixed ? `a${i}` : valueSql(slot);
    return partials(value, mixed ? `n${i}` : value, functions).join(", ");
  });
  const range = "FROM reading WHERE dev = ? AND ts >= ? AND ts < ?";
  const numeric = isNumeric(functions);
  if (!mixed) {
    const others = numeric ? `count(*) FILTER (WHERE ${slots.map(otherSql).join(" OR ")})` : "0";
    return `SELECT ${columns.join(", ")}, ${others} ${range}`;
  }
  const inner = slots.map((slot, i) => `${valueSql(slot)} AS a${i}, ${numeric ? numberSql(slot) : "NULL"} AS n${i}`);
  // Value and number are worked out once per reading: the LIMIT keeps SQLite from pulling the inner expressions apart
  // into each aggregate.
  return `SELECT ${columns.join(", ")}, 0 FROM (SELECT ts, ${inner.join(", ")} ${range} LIMIT -1)`;
}

const isNumeric = (functions: readonly AggregateFunction[]) => functions.some((name) => NUMERIC.includes(name));

function partials(value: string, number: string, functions: readonly AggregateFunction[]): string[] {
  const instant = `CASE WHEN ${value} IS NOT NULL THEN ts END`;
  const needed = (sql: string, ...names: AggregateFunction[]) =>
    functions.some((name) => names.includes(name)) ? sql : "NULL";
  return [
    `count(${value})`,
    needed(`count(${number})`, ...NUMERIC),
    needed(`sum(${number})`, "avg", "sum"),
    needed(`min(${number})`, "min"),
    needed(`max(${number})`, "max"),
    needed(`min(${instant})`, "first"),
    needed(`max(${instant})`, "last"),
  ];
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
