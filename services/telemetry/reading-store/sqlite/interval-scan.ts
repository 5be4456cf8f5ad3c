import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import type { AggregateFunction, MetricValue } from "../../../../schemas/telemetry.ts";
import type { KnownDevice, Metric } from "./device-metrics.ts";
import { MetricAccumulator, PARTIALS, partialsSql } from "./metric-accumulator.ts";
import { anyValueSql, COLUMNS, metricValue, otherSql, valueSql } from "./values.ts";

/** Metrics of one statement: SQLite limits its result columns. */
const METRICS_PER_STATEMENT = 32;

/** Metrics that a step of the full number of readings has; those in JSON cost as much as so many others. */
const METRICS_OF_FULL_STEP = 8;
const MORE_WEIGHT = 50;

/** Readings of a step, so that it takes about as long however many metrics are looked at. */
function stepRowsOf(stepRows: number, metrics: readonly Metric[]): number {
  const weight = metrics.reduce((sum, { slot }) => sum + (slot < COLUMNS.length ? 1 : MORE_WEIGHT), 0);
  return Math.max(1, Math.floor((stepRows * METRICS_OF_FULL_STEP) / Math.max(METRICS_OF_FULL_STEP, weight)));
}

/** Metrics that are read by one statement. */
interface Part {
  statement: StatementSync;
  /** Places among the metrics asked for. */
  places: readonly number[];
  /** Whether texts and booleans were found among their values; `false` costs half as much. */
  mixed: boolean;
}

/** Reads one interval at a time, in steps of bounded length. */
export class IntervalScan {
  accumulators: MetricAccumulator[] = [];
  readonly #db: DatabaseSync;
  readonly #dev: number;
  readonly #metrics: readonly Metric[];
  readonly #stepRows: number;
  readonly #stepEnd: StatementSync;
  readonly #functions: readonly AggregateFunction[];
  #parts: Part[];
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
    this.#stepRows = stepRowsOf(stepRows, metrics);
    this.#stepEnd = db.prepare(
      "SELECT ts FROM reading WHERE dev = ? AND ts >= ? AND ts < ? ORDER BY ts, seq LIMIT 1 OFFSET ?",
    );
    this.#functions = functions;
    const places = metrics.map((_, place) => place);
    const isColumn = (place: number) => (metrics[place] as Metric).slot < COLUMNS.length;
    this.#parts = [
      ...this.#partsOf(places.filter(isColumn), false),
      ...this.#partsOf(
        places.filter((place) => !isColumn(place)),
        true,
      ),
    ];
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
    for (let part = 0; part < this.#parts.length; part++) {
      const { statement, places, mixed } = this.#parts[part] as Part;
      // Typed as an object, although it is an array now.
      const row = statement.get(this.#dev, from, to) as unknown as SQLOutputValue[];
      if (mixed || row.at(-1) === 0)
        for (const [index, place] of places.entries())
          this.accumulators[place]?.add(row.slice(index * PARTIALS, (index + 1) * PARTIALS));
      // Read again from here, in other parts.
      else this.#parts.splice(part--, 1, ...this.#apart(places, from, to));
    }
  }

  /** The metrics that have texts or booleans in [from, to) apart from those that have none. */
  #apart(places: readonly number[], from: number, to: number): Part[] {
    const others = places.map((place) => `count(*) FILTER (WHERE ${otherSql((this.#metrics[place] as Metric).slot)})`);
    const find = this.#db.prepare(`SELECT ${others.join(", ")} FROM reading WHERE dev = ? AND ts >= ? AND ts < ?`);
    find.setReturnArrays(true);
    const counts = find.get(this.#dev, from, to) as unknown as SQLOutputValue[];
    const isMixed = (_: number, index: number) => counts[index] !== 0;
    return [
      ...this.#partsOf(
        places.filter((place, index) => !isMixed(place, index)),
        false,
      ),
      ...this.#partsOf(places.filter(isMixed), true),
    ];
  }

  #partsOf(places: readonly number[], mixed: boolean): Part[] {
    const parts: Part[] = [];
    for (let first = 0; first < places.length; first += METRICS_PER_STATEMENT) {
      const part = places.slice(first, first + METRICS_PER_STATEMENT);
      const slots = part.map((place) => (this.#metrics[place] as Metric).slot);
      const statement = this.#db.prepare(partialsSql(slots, this.#functions, mixed));
      statement.setReturnArrays(true);
      parts.push({ statement, places: part, mixed });
    }
    return parts;
  }

  /** The first or last value of the metric at an instant that is known to have one. */
  valueAt({ slot }: Metric, ts: number, edge: "first" | "last"): MetricValue | undefined {
    const sql =
      `SELECT ${valueSql(slot)} AS value FROM reading WHERE dev = ? AND ts = ? AND ${anyValueSql([slot])} ` +
      `ORDER BY seq ${edge === "first" ? "ASC" : "DESC"} LIMIT 1`;
    const statement = this.#values.get(sql) ?? this.#db.prepare(sql);
    this.#values.set(sql, statement);
    return metricValue(statement.get(this.#dev, ts)?.["value"]);
  }
}
