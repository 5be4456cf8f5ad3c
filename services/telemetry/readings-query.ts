import { z } from "zod";
import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { InstantError, instantOf, microsOf } from "../../lib/instant.ts";
import type { Aggregate, AggregateFunction, Reading, telemetry } from "../../schemas/telemetry.ts";
import { DurationError, durationMicros } from "./duration.ts";
import { ParameterError } from "./errors.ts";
import type { AggregateQuery, IntervalAggregate, RangeQuery, StoredReading } from "./reading-store/reading-store.ts";

type Params = z.output<typeof telemetry.actions.readings.params>;

/** What an aggregation gives where `aggregate` is left out. */
const FUNCTIONS: readonly AggregateFunction[] = ["avg", "min", "max", "count"];

const ReadingPlace = z.tuple([z.int(), z.int()]);
const IntervalPlace = z.int();

/**
 * The readings that the parameters ask for, one more than the page holds: it tells whether there is a further page.
 *
 * @throws ParameterError naming the field.
 */
export function rangeQueryOf(params: Params, tenantId: string): RangeQuery {
  if (params.aggregate) throw new ParameterError("aggregate", "needs interval");
  const [ts, seq] = params.cursor === undefined ? [] : placeOf(params.cursor, listOf(params, tenantId), ReadingPlace);
  return { ...selectionOf(params, tenantId), after: ts === undefined || seq === undefined ? undefined : { ts, seq } };
}

/**
 * The intervals that the parameters ask for, one more than the page holds.
 *
 * @throws ParameterError naming the field.
 */
export function aggregateQueryOf(params: Params & { interval: string }, tenantId: string): AggregateQuery {
  const { cursor, aggregate: functions = FUNCTIONS } = params;
  return {
    ...selectionOf(params, tenantId),
    intervalMicros: naming("interval", () => durationMicros(params.interval)),
    functions,
    afterStart: cursor === undefined ? undefined : placeOf(cursor, listOf(params, tenantId), IntervalPlace),
  };
}

/** The page of what `rangeQueryOf` found. */
export function readingsPage(found: readonly StoredReading[], params: Params, tenantId: string) {
  const items = found.slice(0, params.limit);
  const last = items.at(-1);
  return {
    items: items.map(({ ts, values }): Reading => ({ ts: instantOf(ts), values })),
    ...(found.length > items.length && last
      ? { nextCursor: cursorOf([last.ts, last.seq], listOf(params, tenantId)) }
      : {}),
  };
}

/** The page of what `aggregateQueryOf` found. */
export function aggregatesPage(found: readonly IntervalAggregate[], params: Params, tenantId: string) {
  const items = found.slice(0, params.limit);
  const last = items.at(-1);
  return {
    items: items.map((item): Aggregate => ({ ...item, start: instantOf(item.start), end: instantOf(item.end) })),
    ...(found.length > items.length && last ? { nextCursor: cursorOf(last.start, listOf(params, tenantId)) } : {}),
  };
}

function selectionOf({ deviceId, metrics, order, limit, ...params }: Params, tenantId: string) {
  const from = params.from === undefined ? undefined : naming("from", () => microsOf(params.from as string));
  const to = params.to === undefined ? undefined : naming("to", () => microsOf(params.to as string));
  if (from !== undefined && to !== undefined && to < from) throw new ParameterError("to", "must not be before from");
  return { tenantId, deviceId, from, to, metrics, order, limit: limit + 1 };
}

/** What a cursor is bound to: everything but the size of the page. */
const listOf = ({ cursor, limit, ...list }: Params, tenantId: string) => ["telemetry.readings", tenantId, list];

function naming<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InstantError || error instanceof DurationError) throw new ParameterError(field, error.message);
    throw error;
  }
}
