/**
 * Instants are integers: microseconds since 1970-01-01T00:00Z, leap seconds not counted (POSIX). Integers stay exact
 * between the years 1685 and 2254, beyond which an instant is refused.
 */

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))$/i;

/**
 * Microseconds since 1970 of an RFC 3339 date and time with any offset. Digits beyond the sixth of a fraction are cut
 * off; a leap second (`23:59:60` UTC) is the second after it, as in POSIX.
 *
 * @throws InstantError saying what is wrong with the text.
 */
export function microsOf(text: string): number {
  const match = RFC_3339.exec(text);
  if (!match) throw new InstantError("must be an RFC 3339 date and time, such as 2026-01-01T00:00:00Z");
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Six;
  const [, , , , , , , fraction = "", sign, offsetHours = "0", offsetMinutes = "0"] = match;
  const offset = (sign === "-" ? -1 : 1) * (Number(offsetHours) * 60 + Number(offsetMinutes));
  if (Number(offsetHours) > 23 || Number(offsetMinutes) > 59)
    throw new InstantError("has an offset that does not exist");

  const date = new Date(0);
  // Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  const exists = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour <= 23 && minute <= 59;
  if (!exists || second > 60) throw new InstantError("is a date or time that does not exist");
  const seconds = date.getTime() / 1000 + hour * 3600 + (minute - offset) * 60 + second;
  // RFC 3339 section 5.6: 60 only where a leap second may be, at the end of a UTC day.
  if (second === 60 && seconds % 86_400 !== 0) throw new InstantError("is a date or time that does not exist");
  const micros = seconds * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
  if (!Number.isSafeInteger(micros)) throw new InstantError("must be between the years 1685 and 2254");
  return micros;
}

/** RFC 3339 in UTC with three digits of a second, or six where the instant needs them. */
export function instantOf(micros: number): string {
  const millis = Math.floor(micros / 1000);
  const text = new Date(millis).toISOString();
  const rest = micros - millis * 1000;
  return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, "0")}Z`;
}

/** A text is no instant; the message continues a field's name. */
export class InstantError extends Error {
  override name = "InstantError";
}

type Six = [number, number, number, number, number, number];
