import type { WorkOptions } from "./message.ts";

export interface WorkLimits {
  /** Time to live of an item that is published without one, milliseconds. @default none */
  ttlMs: number | undefined;
  /** Longest delay, milliseconds. @default 30 days */
  delayMaxMs: number;
}

/** When an item becomes due and when its time is up. @throws RangeError naming the option that is wrong. */
export function itemTimes(
  { ttlMs, expiresAt, delayMs = 0 }: Pick<WorkOptions, "ttlMs" | "expiresAt" | "delayMs">,
  limits: WorkLimits,
  now: number,
): { due: number; deadline: number | null } {
  if (!Number.isSafeInteger(delayMs) || delayMs < 0 || delayMs > limits.delayMaxMs)
    throw new RangeError(`delayMs: must be an integer from 0 to ${limits.delayMaxMs}`);
  if (ttlMs !== undefined && (!Number.isSafeInteger(ttlMs) || ttlMs < 1))
    throw new RangeError("ttlMs: must be an integer from 1");
  if (expiresAt !== undefined && !Number.isSafeInteger(expiresAt))
    throw new RangeError("expiresAt: must be an integer, milliseconds since 1970");
  // The channel's own limit is for those that set none.
  const ttl = ttlMs ?? (expiresAt === undefined ? limits.ttlMs : undefined);
  const ends = [expiresAt, ttl === undefined ? undefined : now + ttl].filter((end) => end !== undefined);
  return { due: now + delayMs, deadline: ends.length === 0 ? null : Math.min(...ends) };
}
