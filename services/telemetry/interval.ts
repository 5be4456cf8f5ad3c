import { daysOfMonth, monthOfDays } from "./civil-date.ts";
import type { TimeZone } from "./time-zone.ts";

/** Length of the intervals of an aggregation: one of the three. */
export type Interval =
  /** Calendar months; from 1970-01 on every so many. */
  | { months: number }
  /**
   * Calendar days; from 1970-01-01 on every so many. In a zone, weeks (`monday`) begin on Monday (ISO 8601); without one
   * they are days like others.
   */
  | { days: number; beginOn: "epoch" | "monday" }
  /** Time on the clock, microseconds. */
  | { micros: number };

/** The interval that holds an instant: [start, end). */
export interface Bounds {
  start: number;
  end: number;
}

const DAY = 86_400_000_000;
/** No clock differs from UTC by more. */
const OFFSET_MAX = DAY;

/**
 * Tells for each instant, in microseconds since 1970, in which interval it lies. Every instant lies in exactly one.
 *
 * Without a zone the clock is UTC. With one, months and days begin when their date first begins on the local clock; a
 * date that the clock leaves out has no interval, one that it repeats is one interval. Intervals on the clock begin
 * whenever the local clock shows a multiple of their length, or jumps over it: at the end of daylight-saving time an
 * hour that the clock shows twice is two hours, and intervals that reach over a change are shorter or longer.
 */
export function intervalsOf(interval: Interval, zone?: TimeZone): (ts: number) => Bounds {
  if ("micros" in interval) return zone ? clockIntervals(interval.micros, zone) : fixedIntervals(interval.micros);
  if (zone) return dateIntervals(gridOf(interval), zone);
  return "days" in interval ? fixedIntervals(interval.days * DAY) : utcDateIntervals(gridOf(interval));
}

const floorMod = (value: number, by: number) => ((value % by) + by) % by;

/** Start of the interval that holds the instant; intervals begin at multiples of their length since 1970, before it too. */
export const startOfInterval = (ts: number, intervalMicros: number): number =>
  // Not floor(ts / interval): a quotient of such large integers is not exact.
  ts - floorMod(ts, intervalMicros);

const fixedIntervals = (micros: number) => (ts: number) => {
  const start = startOfInterval(ts, micros);
  return { start, end: start + micros };
};

/** Numbered stretches of the calendar, and when each begins on a local clock. */
interface Grid {
  numberOf(local: number): number;
  beginOf(number: number): number;
}

function gridOf(interval: { months: number } | { days: number; beginOn: "epoch" | "monday" }): Grid {
  if ("months" in interval) {
    const { months } = interval;
    return {
      numberOf: (local) => Math.floor(monthOfDays(Math.floor(local / DAY)) / months),
      beginOf: (number) => daysOfMonth(number * months) * DAY,
    };
  }
  const { days, beginOn } = interval;
  // 1970-01-01 was a Thursday.
  const shift = beginOn === "monday" ? 3 * DAY : 0;
  return {
    numberOf: (local) => startOfInterval(local + shift, days * DAY) / (days * DAY),
    beginOf: (number) => number * days * DAY - shift,
  };
}

const utcDateIntervals = (grid: Grid) => (ts: number) => {
  const number = grid.numberOf(ts);
  return { start: grid.beginOf(number), end: grid.beginOf(number + 1) };
};

function dateIntervals(grid: Grid, zone: TimeZone) {
  /** The first instant at which the local clock shows the stretch's beginning or later. */
  const begin = (number: number): number => {
    const local = grid.beginOf(number);
    for (let period = zone.periodAt(local - OFFSET_MAX); ; period = zone.periodAt(period.end)) {
      const at = Math.max(period.start, local - period.offset);
      if (at < period.end) return at;
    }
  };
  return (ts: number): Bounds => {
    let number = grid.numberOf(ts + zone.periodAt(ts).offset);
    // The clock was set back over the beginning of a stretch: it has begun all the same.
    while (begin(number + 1) <= ts) number++;
    const start = begin(number);
    // A stretch that the clock leaves out begins and ends in one instant.
    while (begin(number + 1) === start) number++;
    return { start, end: begin(number + 1) };
  };
}

function clockIntervals(micros: number, zone: TimeZone) {
  const startOf = (ts: number): number => {
    for (let at = ts; ; ) {
      const period = zone.periodAt(at);
      const start = startOfInterval(at + period.offset, micros) - period.offset;
      if (start >= period.start || jumpsOver(period.start)) return Math.max(start, period.start);
      at = period.start - 1;
    }
  };
  /** Whether a change to a later time on the clock leaves out a beginning. */
  const jumpsOver = (change: number): boolean => {
    const [before, after] = [zone.periodAt(change - 1).offset, zone.periodAt(change).offset];
    return after > before && startOfInterval(change + after, micros) >= change + before;
  };
  const endOf = (ts: number): number => {
    for (let at = ts; ; ) {
      const { end, offset } = zone.periodAt(at);
      // At the beginning of a period the clock may show a beginning itself.
      const next =
        at > ts && floorMod(at + offset, micros) === 0 ? at : startOfInterval(at + offset, micros) + micros - offset;
      if (next < end) return next;
      if (jumpsOver(end)) return end;
      at = end;
    }
  };
  return (ts: number): Bounds => ({ start: startOf(ts), end: endOf(ts) });
}
