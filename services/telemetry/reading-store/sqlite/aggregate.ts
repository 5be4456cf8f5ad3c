import type { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { intervalsOf } from "../../interval.ts";
import { timeZoneOf } from "../../time-zone.ts";
import { PAGE_WEIGHT_MAX, weightOfAggregates } from "../page-weight.ts";
import type { AggregateQuery, IntervalAggregate } from "../reading-store.ts";
import { deviceMetrics } from "./device-metrics.ts";
import { IntervalScan } from "./interval-scan.ts";
import { anyValueSql } from "./values.ts";

export interface AggregateOptions {
  /**
   * Readings of few metrics that one step walks over, and accordingly fewer of many; between steps the event loop gets
   * its turn. @default 20000
   */
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
  const { functions, order, afterStart, limit, timeZone } = query;
  const boundsOf = intervalsOf(query.interval, timeZone === undefined ? undefined : timeZoneOf(timeZone));
  let { from = Number.MIN_SAFE_INTEGER, to = Number.MAX_SAFE_INTEGER } = query;
  if (afterStart !== undefined && order === "asc") from = Math.max(from, boundsOf(afterStart).end);
  if (afterStart !== undefined && order === "desc") to = Math.min(to, afterStart);

  const ascending = order === "asc";
  const has = query.metrics ? ` AND ${anyValueSql(device.metrics.map(({ slot }) => slot))}` : "";
  const next = db.prepare(
    `SELECT ts FROM reading WHERE dev = ? AND ts >= ? AND ts < ?${has} ORDER BY ts ${ascending ? "ASC" : "DESC"} LIMIT 1`,
  );
  const scan = new IntervalScan(db, device, functions, aggregateStepRows);
  const items: IntervalAggregate[] = [];
  let turnAt = performance.now() + aggregateTurnMs;
  const breathe = async () => {
    if (performance.now() < turnAt) return;
    await nextTurn();
    turnAt = performance.now() + aggregateTurnMs;
  };

  let weight = 0;
  while (items.length < limit && weight < PAGE_WEIGHT_MAX && from < to) {
    const found = next.get(device.dev, from, to);
    if (!found) break;
    const { start, end } = boundsOf(Number(found["ts"]));
    await scan.read(Math.max(start, from), Math.min(end, to), breathe);
    const metrics = scan.accumulators.flatMap((accumulator) => {
      const result = accumulator.result(functions, (ts, edge) => scan.valueAt(accumulator.metric, ts, edge));
      return result ? [[accumulator.metric.name, result] as const] : [];
    });
    if (metrics.length > 0) {
      const item = { start, end, metrics: Object.fromEntries(metrics) };
      items.push(item);
      weight += weightOfAggregates(item.metrics);
    }
    if (ascending) from = end;
    else to = start;
    await breathe();
  }
  return items;
}
