import { InstantError, microsOf } from "../instant.ts";
import { reject } from "./rejection.ts";

/** Numbers below it are seconds (until the year 5138), from it on milliseconds (since 1973). */
const SECONDS_BELOW = 1e11;
const EARLIEST = Date.UTC(2000, 0, 1) * 1000;
const END = Date.UTC(2101, 0, 1) * 1000;

/**
 * Microseconds since 1970 of a device's `ts`: RFC 3339 text, or a number of seconds or milliseconds with any fraction.
 *
 * @throws Rejection, also outside the years 2000 to 2100.
 */
export function timestamp(ts: unknown, field: string): number {
  if (typeof ts === "number") return inRange(Math.round(ts < SECONDS_BELOW ? ts * 1e6 : ts * 1000), field);
  if (typeof ts === "string") return inRange(parsed(ts, field), field);
  return reject(field, "must be RFC 3339 text or a number of seconds or milliseconds since 1970");
}

/** @throws Rejection */
export function inRange(micros: number, field: string): number {
  // Written so that NaN is outside.
  if (!(micros >= EARLIEST && micros < END)) reject(field, "must be in the years 2000 to 2100");
  return micros;
}

function parsed(text: string, field: string): number {
  try {
    return microsOf(text);
  } catch (error) {
    if (error instanceof InstantError) reject(field, error.message);
    throw error;
  }
}
