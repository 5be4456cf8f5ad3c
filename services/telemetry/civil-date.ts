const DAY_MS = 86_400_000;

/** Number of the month that holds a day, both counted from January 1970 (proleptic Gregorian). */
export function monthOfDays(days: number): number {
  const date = new Date(days * DAY_MS);
  return (date.getUTCFullYear() - 1970) * 12 + date.getUTCMonth();
}

/** First day of a month, both counted from January 1970. */
export const daysOfMonth = (month: number): number =>
  // Date.UTC carries months below 0 and above 11 over into years; the base keeps it from years 0 to 99.
  Date.UTC(1970, month) / DAY_MS;
