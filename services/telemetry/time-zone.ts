/** A stretch of time in which the local clock keeps its distance from UTC: [start, end), microseconds since 1970. */
export interface ZonePeriod {
  start: number;
  end: number;
  /** Local clock less UTC, microseconds. */
  offset: number;
}

const NAME = /^[A-Za-z][A-Za-z0-9_+\-/]{0,63}$/;
const OFFSET = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;
const SECOND = 1_000_000;
/** Of the changes that a zone has, no two are closer than this. */
const PROBE_SECONDS = 7 * 86_400;

/**
 * Local time of an IANA time zone, by the zone data that Node brings. What was looked up is kept per year, so that an
 * aggregation asks Intl a few dozen times and not per interval.
 */
export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, ZonePeriod[]>();

  /** @throws TimeZoneError where there is no such zone. */
  constructor(name: string) {
    try {
      if (!NAME.test(name)) throw new RangeError();
      this.#format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    } catch {
      throw new TimeZoneError("must be an IANA time zone, such as Europe/Berlin");
    }
    this.name = this.#format.resolvedOptions().timeZone;
  }

  /** The period that holds the instant. It ends with the calendar year at the latest, where the offset may go on. */
  periodAt(ts: number): ZonePeriod {
    const year = new Date(Math.floor(ts / 1000)).getUTCFullYear();
    let periods = this.#years.get(year);
    if (!periods) {
      periods = this.#periodsOf(year);
      this.#years.set(year, periods);
    }
    // A year has few; the last that has begun is it.
    let found = periods.length - 1;
    while (found > 0 && (periods[found] as ZonePeriod).start > ts) found--;
    return periods[found] as ZonePeriod;
  }

  #periodsOf(year: number): ZonePeriod[] {
    const [begin, end] = [startOfYear(year), startOfYear(year + 1)];
    const periods: ZonePeriod[] = [];
    let [start, offset] = [begin, this.#offsetAt(begin)];
    for (let at = begin; at < end; ) {
      const next = Math.min(at + PROBE_SECONDS, end);
      const change = next === end ? this.#changeIn(at, end - 1) : this.#changeIn(at, next);
      if (change === undefined) at = next;
      else {
        periods.push({ start: start * SECOND, end: change * SECOND, offset: offset * SECOND });
        [start, offset, at] = [change, this.#offsetAt(change), change];
      }
    }
    return [...periods, { start: start * SECOND, end: end * SECOND, offset: offset * SECOND }];
  }

  /** The first second with another offset than `from`, where `to` has another one. */
  #changeIn(from: number, to: number): number | undefined {
    const offset = this.#offsetAt(from);
    if (this.#offsetAt(to) === offset) return undefined;
    let [same, other] = [from, to];
    while (other - same > 1) {
      const middle = Math.floor((same + other) / 2);
      if (this.#offsetAt(middle) === offset) same = middle;
      else other = middle;
    }
    return other;
  }

  /** Seconds that the local clock is ahead of UTC. */
  #offsetAt(second: number): number {
    const [, sign, hours, minutes, seconds] = OFFSET.exec(this.#format.format(second * 1000)) ?? [];
    const offset = Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0);
    return sign === "-" ? -offset : offset;
  }
}

const startOfYear = (year: number) => {
  const date = new Date(0);
  // Not Date.UTC, which takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, 0, 1);
  return date.getTime() / 1000;
};

const known = new Map<string, TimeZone>();
const KNOWN_MAX = 64;

/** The zone of the name; the last ones asked for are kept. @throws TimeZoneError */
export function timeZoneOf(name: string): TimeZone {
  const zone = known.get(name) ?? new TimeZone(name);
  known.delete(name);
  known.set(name, zone);
  const oldest = known.size > KNOWN_MAX ? known.keys().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  return zone;
}

/** A text names no time zone; the message continues a field's name. */
export class TimeZoneError extends Error {
  override name = "TimeZoneError";
}
