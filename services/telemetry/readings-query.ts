import { z } from "zod";
import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { InstantError, instantOf, microsOf } from "../../lib/instant.ts";
import {
  type Aggregate,
  type AggregateFunction,
  READINGS_PAGE,
  type Reading,
  type telemetry,
} from "../../schemas/telemetry.ts";
import { DurationError, intervalOf } from "./duration.ts";
import { ParameterError } from "./errors.ts";
import { isFull } from "./reading-store/page-weight.ts";
import type { AggregateQuery, IntervalAggregate, RangeQuery, StoredReading } from "./reading-store/reading-store.ts";
import { TimeZoneError, timeZoneOf } from "./time-zone.ts";

export type ReadingsParams = z.output<typeof telemetry.actions.readings.params>;

/** What an aggregation gives where `aggregate` is left out. */
const FUNCTIONS: readonly AggregateFunction[] = ["avg", "min", "max", "count"];

const ReadingPlace = z.tuple([z.int(), z.int()]);
const IntervalPlace = z.int();

/**
 * The readings that the parameters ask for, one more than the page holds: it tells whether there is a further page.
 *
 * @throws ParameterError naming the field.
 */
export function rangeQueryOf(params: ReadingsParams, tenantId: string): RangeQuery {
  if (params.aggregate) throw new ParameterError("aggregate", "needs interval");
  if (params.timeZone !== undefined) throw new ParameterError("timeZone", "needs interval");
  const [ts, seq] = params.cursor === undefined ? [] : placeOf(params.cursor, listOf(params, tenantId), ReadingPlace);
  return { ...selectionOf(params, tenantId), after: ts === undefined || seq === undefined ? undefined : { ts, seq } };
}

/**
 * The intervals that the parameters ask for, one more than the page holds.
 *
 * @throws ParameterError naming the field.
 */
export function aggregateQueryOf(params: ReadingsParams & { interval: string }, tenantId: string): AggregateQuery {
  const { cursor, timeZone, aggregate: functions = FUNCTIONS } = params;
  if (timeZone !== undefined) naming("timeZone", () => timeZoneOf(timeZone));
  return {
    ...selectionOf(params, tenantId),
    interval: naming("interval", () => intervalOf(params.interval)),
    timeZone,
    functions,
    afterStart: cursor === undefined ? undefined : placeOf(cursor, listOf(params, tenantId), IntervalPlace),
  };
}

/** The page of what `rangeQueryOf` found. */
export function readingsPage(found: readonly StoredReading[], params: ReadingsParams, tenantId: string) {
  const limit = params.limit ?? READINGS_PAGE;
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(readingOf),
    ...(isFull(found, limit + 1) && last
      ? { nextCursor: cursorOf([last.ts, last.seq], listOf(params, tenantId)) }
      : {}),
  };
}

/** The page of what `aggregateQueryOf` found. */
export function aggregatesPage(found: readonly IntervalAggregate[], params: ReadingsParams, tenantId: string) {
  const limit = params.limit ?? READINGS_PAGE;
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return {
    items: items.map(aggregateOf),
    ...(isFull(found, limit + 1) && last ? { nextCursor: cursorOf(last.start, listOf(params, tenantId)) } : {}),
  };
}

/** A stored reading as callers see it. */
export const readingOf = ({ ts, values }: StoredReading): Reading => ({ ts: instantOf(ts), values });

/** An aggregated interval as callers see it. */
export const aggregateOf = (item: IntervalAggregate): Aggregate => ({
  ...item,
  start: instantOf(item.start),
  end: instantOf(item.end),
});

function selectionOf({ deviceId, metrics, order, limit = READINGS_PAGE, ...params }: ReadingsParams, tenantId: string) {
  return { tenantId, deviceId, ...rangeOf(params), metrics, order, limit: limit + 1 };
}

/**
 * `from` and `to` as instants.
 *
 * @throws ParameterError naming the field.
 */
export function rangeOf(params: { from?: string | undefined; to?: string | undefined }) {
  const from = params.from === undefined ? undefined : naming("from", () => microsOf(params.from as string));
  const to = params.to === undefined ? undefined : naming("to", () => microsOf(params.to as string));
  if (from !== undefined && to !== undefined && to < from) throw new ParameterError("to", "must not be before from");
  return { from, to };
}

/** What a cursor is bound to: everything but the size of the page. */
const listOf = ({ cursor, limit, ...list }: ReadingsParams, tenantId: string) => ["telemetry.readings", tenantId, list];

function naming<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof InstantError || error instanceof DurationError || error instanceof TimeZoneError)
      throw new ParameterError(field, error.message);
    throw error;
  }
}
