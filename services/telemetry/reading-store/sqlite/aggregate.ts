import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { AggregateFunction } from "../../../../schemas/telemetry.ts";
import { startOfInterval } from "../../interval.ts";
import type { AggregateQuery, IntervalAggregate } from "../reading-store.ts";
import { deviceMetrics, type KnownDevice, type Metric } from "./device-metrics.ts";
import { MetricAccumulator, PARTIALS, partialsSql } from "./metric-accumulator.ts";
import { anyValueSql, metricValue, valueSql } from "./values.ts";

/** Metrics of one statement: SQLite limits its result columns. */
const METRICS_PER_STATEMENT = 32;

export interface AggregateOptions {
  /** Readings that one statement walks over; between statements the event loop gets its turn. @default 20000 */
  aggregateStepRows?: number;
  /** Time after which the event loop gets its turn, milliseconds. @default 10 */
  aggregateTurnMs?: number;
}

/**
 * A page of intervals. Each is found by one step along the key and read by another, so that a page costs what it
 * shows, however much lies before and behind it.
 */
export async function aggregate(
  db: DatabaseSync,
  query: AggregateQuery,
  { aggregateStepRows = 20_000, aggregateTurnMs = 10 }: AggregateOptions,
): Promise<IntervalAggregate[]> {
  const device = deviceMetrics(db, query, query.metrics);
  if (!device || device.metrics.length === 0) return [];
  const { intervalMicros: interval, functions, order, afterStart, limit } = query;
  let { from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER } = query;
  if (afterStart !== undefined && order === "asc") from = Math.max(from, afterStart + interval);
  if (afterStart !== undefined && order === "desc") to = Math.min(to, afterStart);

  const ascending = order === "asc";
  const has = query.metrics ? ` AND ${anyValueSql(device.metrics.map(({ slot }) => slot))}` : "";
  const next = db.prepare(
    `SELECT ts FROM reading WHERE dev = ? AND ts >= ? AND ts < ?${has} ORDER BY ts ${ascending ? "ASC" : "DESC"} LIMIT 1`,
  );
  const scan = new Scan(db, device, functions, aggregateStepRows);
  const items: IntervalAggregate[] = [];
  let turnAt = performance.now() + aggregateTurnMs;
  const breathe = async () => {
    if (performance.now() < turnAt) return;
    await nextTurn();
    turnAt = performance.now() + aggregateTurnMs;
  };

  while (items.length < limit && from < to) {
    const found = next.get(device.dev, from, to);
    if (!found) break;
    const start = startOfInterval(Number(found["ts"]), interval);
    const end = start + interval;
    await scan.read(Math.max(start, from), Math.min(end, to), breathe);
    const metrics = scan.accumulators.flatMap((accumulator) => {
      const result = accumulator.result(functions, (ts, edge) => scan.valueAt(accumulator.metric, ts, edge));
      return result ? [[accumulator.metric.name, result] as const] : [];
    });
    if (metrics.length > 0) items.push({ start, end, metrics: Object.fromEntries(metrics) });
    if (ascending) from = end;
    else to = start;
    await breathe();
  }
  return items;
}

/** Reads one interval at a time, in steps of bounded length. */
class Scan {
  accumulators: MetricAccumulator[] = [];
  readonly #db: DatabaseSync;
  readonly #dev: number;
  readonly #metrics: readonly Metric[];
  readonly #stepRows: number;
  readonly #stepEnd: StatementSync;
  readonly #partials: { statement: StatementSync; metrics: Metric[] }[] = [];
  readonly #values = new Map<string, StatementSync>();

  constructor(
    db: DatabaseSync,
    { dev, metrics }: KnownDevice,
    functions: readonly AggregateFunction[],
    stepRows: number,
  ) {
    this.#db = db;
    this.#dev = dev;
    this.#metrics = metrics;
    this.#stepRows = stepRows;
    this.#stepEnd = db.prepare(
      "SELECT ts FROM reading WHERE dev = ? AND ts >= ? AND ts < ? ORDER BY ts, seq LIMIT 1 OFFSET ?",
    );
    for (let first = 0; first < metrics.length; first += METRICS_PER_STATEMENT) {
      const part = metrics.slice(first, first + METRICS_PER_STATEMENT);
      const statement = db.prepare(
        partialsSql(
          part.map(({ slot }) => slot),
          functions,
        ),
      );
      statement.setReturnArrays(true);
      this.#partials.push({ statement, metrics: part });
    }
  }

  async read(from: number, to: number, breathe: () => Promise<void>): Promise<void> {
    this.accumulators = this.#metrics.map((metric) => new MetricAccumulator(metric));
    for (let begin = from; begin < to; ) {
      const mark = this.#stepEnd.get(this.#dev, begin, to, this.#stepRows);
      // A step ends between two instants: readings of one and the same stay together, however many they are.
      const end = mark ? Math.max(Number(mark["ts"]), begin + 1) : to;
      this.#readStep(begin, end);
      begin = end;
      if (mark) await breathe();
    }
  }

  #readStep(from: number, to: number): void {
    let accumulator = 0;
    for (const { statement, metrics } of this.#partials) {
      // Typed as an object, although it is an array now.
      const row = statement.get(this.#dev, from, to) as unknown as SQLOutputValue[];
      for (let metric = 0; metric < metrics.length; metric++)
        this.accumulators[accumulator++]?.add(row.slice(metric * PARTIALS, (metric + 1) * PARTIALS));
    }
  }

  /** The first or last value of the metric at an instant that is known to have one. */
  valueAt({ slot }: Metric, ts: number, edge: "first" | "last") {
    const sql =
      `SELECT ${valueSql(slot)} AS value FROM reading WHERE dev = ? AND ts = ? AND ${anyValueSql([slot])} ` +
      `ORDER BY seq ${edge === "first" ? "ASC" : "DESC"} LIMIT 1`;
    const statement = this.#values.get(sql) ?? this.#db.prepare(sql);
    this.#values.set(sql, statement);
    return metricValue(statement.get(this.#dev, ts)?.["value"]);
  }
}
