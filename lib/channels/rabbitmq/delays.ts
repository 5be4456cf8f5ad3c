/**
 * How long an item may wait in one delay queue, milliseconds: 16 ms, and four times as long with each, up to 12 days.
 * So few, because each is a queue of its own for each channel: RabbitMQ looks at the time of a queue's first message
 * only, and one queue with many times would hold the short ones up behind the long ones.
 */
export const RUNGS: readonly number[] = Array.from({ length: 14 }, (_, step) => 16 * 4 ** step);
const SHORTEST = RUNGS[0] as number;

/**
 * The rung on which an item waits next that is not to be delivered for so long. What is then left is waited for on
 * lower rungs; the last one may be too long by an eighth of what was left, or by 16 ms.
 */
export function rungFor(remainingMs: number): number {
  const above = RUNGS.find((rung) => rung >= remainingMs);
  if (above !== undefined && above - remainingMs <= Math.max(SHORTEST, remainingMs / 8)) return above;
  return RUNGS.findLast((rung) => rung <= remainingMs) ?? SHORTEST;
}

/** The rungs that waits up to so long may use. */
export const rungsUpTo = (longestMs: number): number[] => RUNGS.filter((rung) => rung < longestMs * 2);

export const delayQueueOf = (queue: string, rung: number): string => `${queue}.delay.${rung}`;
