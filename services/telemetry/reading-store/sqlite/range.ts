import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { MetricValue } from "../../../../schemas/telemetry.ts";
import { PAGE_WEIGHT_MAX, weightOfValues } from "../page-weight.ts";
import type { RangeQuery, StoredReading } from "../reading-store.ts";
import { deviceMetrics, type KnownDevice, type Metric } from "./device-metrics.ts";
import { anyValueSql, COLUMNS, metricValue, valueSql } from "./values.ts";

/** A page of readings: one walk along the key from where the former page ended. */
export function range(db: DatabaseSync, query: RangeQuery): StoredReading[] {
  const device = deviceMetrics(db, query, query.metrics);
  if (!device) return [];
  const inColumns = device.metrics.filter(({ slot }) => slot < COLUMNS.length);
  const inMore = device.metrics.filter(({ slot }) => slot >= COLUMNS.length);
  const columns = ["ts", "seq", ...inColumns.map(({ slot }) => valueSql(slot)), ...(inMore.length > 0 ? ["more"] : [])];
  const { sql, bound } = rangeSql(columns, device, query);
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  // Typed as objects, although they are arrays now.
  const rows = statement.iterate(...bound) as unknown as Iterable<SQLOutputValue[]>;
  const page: StoredReading[] = [];
  let weight = 0;
  for (const row of rows) {
    const values = Object.fromEntries([
      ...columnValues(row, inColumns),
      ...moreValues(row[2 + inColumns.length], inMore),
    ]);
    page.push({ ts: Number(row[0]), seq: Number(row[1]), values });
    weight += weightOfValues(values);
    if (weight >= PAGE_WEIGHT_MAX) break;
  }
  return page;
}

/** The statement and what is bound to it. SQLite must find its beginning in the key, and sort nothing. */
export function rangeSql(columns: readonly string[], { dev, metrics }: KnownDevice, query: RangeQuery) {
  const { from, to, after, limit } = query;
  const ascending = query.order === "asc";
  const where = ["dev = ?"];
  const bound: number[] = [dev];
  const and = (condition: string, ...values: number[]) => {
    where.push(condition);
    bound.push(...values);
  };
  // The place of the former page stands for the limit on its side: of two, SQLite might begin at the wrong one.
  if (after) and(`(ts, seq) ${ascending ? ">" : "<"} (?, ?)`, after.ts, after.seq);
  if (from !== undefined && !(after && ascending && after.ts >= from)) and("ts >= ?", from);
  if (to !== undefined && !(after && !ascending && after.ts < to)) and("ts < ?", to);
  if (query.metrics) and(anyValueSql(metrics.map(({ slot }) => slot)));
  const direction = ascending ? "ASC" : "DESC";
  const sql =
    `SELECT ${columns.join(", ")} FROM reading WHERE ${where.join(" AND ")} ` +
    `ORDER BY ts ${direction}, seq ${direction} LIMIT ?`;
  return { sql, bound: [...bound, limit] };
}

type Entry = [name: string, value: MetricValue];

function columnValues(row: SQLOutputValue[], metrics: Metric[]): Entry[] {
  const entries: Entry[] = [];
  metrics.forEach(({ name }, index) => {
    const value = metricValue(row[2 + index]);
    if (value !== undefined) entries.push([name, value]);
  });
  return entries;
}

function moreValues(more: SQLOutputValue | undefined, metrics: Metric[]): Entry[] {
  if (typeof more !== "string") return [];
  const bySlot = JSON.parse(more) as Record<number, MetricValue>;
  return metrics.flatMap(({ name, slot }) => {
    const value = bySlot[slot];
    return value === undefined ? [] : [[name, value]];
  });
}
