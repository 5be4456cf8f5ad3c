import type { Interval } from "./interval.ts";

const MICROS = { D: 86_400_000_000, H: 3_600_000_000, M: 60_000_000, S: 1_000_000 } as const;
const DURATION =
  /^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,6}))?S)?)?$/;

/** Shortest and longest interval of an aggregation: a second, a century. */
export const INTERVAL_MICROS_MIN = MICROS.S;
export const INTERVAL_MONTHS_MAX = 1200;
export const INTERVAL_DAYS_MAX = 36_525;

/**
 * The interval that an ISO 8601 duration means: years and months alone (`P1Y`, `P3M`), weeks and days (`P1W`, `P1D`), or
 * anything with hours, minutes and seconds (`PT15M`, `P1DT12H`, `PT1.5S`), in which a day is 24 hours.
 *
 * @throws DurationError saying what is wrong with the text.
 */
export function intervalOf(text: string): Interval {
  const match = DURATION.exec(text);
  if (!match || text === "P" || text.endsWith("T"))
    throw new DurationError("must be an ISO 8601 duration, such as PT15M, P1D or P1M");
  const [years, months, weeks, days, hours, minutes, seconds] = match.slice(1, 8).map((d) => Number(d ?? 0)) as Seven;
  const time = hours * MICROS.H + minutes * MICROS.M + seconds * MICROS.S + Number((match[8] ?? "").padEnd(6, "0"));
  const allMonths = years * 12 + months;
  const allDays = weeks * 7 + days;
  if (allMonths > 0) {
    // A month has no fixed length, and so neither has a sum with it.
    if (allDays > 0 || time > 0) throw new DurationError("must not mix years or months with anything shorter");
    if (allMonths > INTERVAL_MONTHS_MAX) throw new DurationError("must be P100Y at most");
    return { months: allMonths };
  }
  if (allDays + time / MICROS.D > INTERVAL_DAYS_MAX) throw new DurationError(`must be P${INTERVAL_DAYS_MAX}D at most`);
  if (time === 0 && allDays > 0) return { days: allDays, beginOn: days === 0 ? "monday" : "epoch" };
  const micros = allDays * MICROS.D + time;
  if (micros < INTERVAL_MICROS_MIN) throw new DurationError("must be PT1S at least");
  return { micros };
}

/** A text is no usable duration; the message continues a field's name. */
export class DurationError extends Error {
  override name = "DurationError";
}

type Seven = [number, number, number, number, number, number, number];
