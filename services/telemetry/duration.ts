const MICROS = { W: 604_800_000_000, D: 86_400_000_000, H: 3_600_000_000, M: 60_000_000, S: 1_000_000 } as const;
const DURATION = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,6}))?S)?)?$/;

/** Shortest and longest interval of an aggregation: a second, a century. */
export const INTERVAL_MICROS_MIN = MICROS.S;
export const INTERVAL_MICROS_MAX = 36_525 * MICROS.D;

/**
 * Microseconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds (`PT15M`, `P1DT12H`, `PT1.5S`). A day
 * is 24 hours. Years and months are refused: they have no fixed length, so that no interval could begin at their
 * multiples since 1970.
 *
 * @throws DurationError saying what is wrong with the text.
 */
export function durationMicros(text: string): number {
  if (/^P[^T]*[YM]/.test(text)) throw new DurationError("must not have years or months, whose length varies");
  const match = DURATION.exec(text);
  if (!match || text === "P" || text.endsWith("T"))
    throw new DurationError("must be an ISO 8601 duration of weeks, days, hours, minutes, seconds, such as PT15M");
  const [weeks, days, hours, minutes, seconds] = match.slice(1, 6).map((digits) => Number(digits ?? 0)) as Five;
  const fraction = Number((match[6] ?? "").padEnd(6, "0"));
  const micros =
    weeks * MICROS.W + days * MICROS.D + hours * MICROS.H + minutes * MICROS.M + seconds * MICROS.S + fraction;
  if (micros < INTERVAL_MICROS_MIN) throw new DurationError("must be PT1S at least");
  if (micros > INTERVAL_MICROS_MAX) throw new DurationError("must be P36525D at most");
  return micros;
}

/** A text is no usable duration; the message continues a field's name. */
export class DurationError extends Error {
  override name = "DurationError";
}

type Five = [number, number, number, number, number];
