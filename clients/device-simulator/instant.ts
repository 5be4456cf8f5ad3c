/** Numbers below are seconds, others milliseconds since 1970. */
const SECONDS_BELOW = 1e11;

/** Microseconds since 1970 of RFC 3339 text or of a number of seconds or milliseconds. @throws Error that quotes it. */
export function micros(ts: number | string): number {
  if (typeof ts === "number" && Number.isFinite(ts)) return Math.round(ts * (ts < SECONDS_BELOW ? 1e6 : 1e3));
  const [, whole, fraction = "", zone] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/i.exec(String(ts)) ?? [];
  const ms = Date.parse(`${whole}${zone}`);
  if (Number.isNaN(ms)) throw new Error(`ts ${JSON.stringify(ts)} is no RFC 3339 instant with zone and no number`);
  return ms * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}

/** RFC 3339 in UTC with microseconds. */
export function rfc3339(instantMicros: number): string {
  const seconds = Math.floor(instantMicros / 1e6);
  const fraction = String(instantMicros - seconds * 1e6).padStart(6, "0");
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
