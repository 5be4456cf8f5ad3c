/** Start of the interval that holds the instant; intervals begin at multiples of their length since 1970, before it too. */
export const startOfInterval = (ts: number, intervalMicros: number): number =>
  // Not floor(ts / interval): a quotient of such large integers is not exact.
  ts - (((ts % intervalMicros) + intervalMicros) % intervalMicros);
