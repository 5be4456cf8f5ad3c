/** When a generation of keys does what; pure. */
export interface Generation {
  number: number;
  signsFrom: number;
}

export interface Schedule<G extends Generation> {
  /** It signs. */
  current: G | undefined;
  /** Published ahead, so that verifiers know it before it signs. */
  next: G | undefined;
  /** No longer signing; tokens that it signed may still live. */
  former: G[];
  /** Of no use any more. */
  ended: G[];
  /** The next one has to be made. */
  due: boolean;
  /** When the next change is, where one is known. */
  changesAt: number | undefined;
}

export interface ScheduleOptions {
  /** How long a generation signs. */
  signsMs: number;
  /** How long before it signs it is published. */
  publishedAheadMs: number;
  /** Longest life of what is signed. */
  keptMs: number;
}

/** @param generations in the order of their numbers */
export function scheduleOf<G extends Generation>(
  generations: readonly G[],
  now: number,
  { signsMs, publishedAheadMs, keptMs }: ScheduleOptions,
): Schedule<G> {
  const at = generations.findLastIndex(({ signsFrom }) => signsFrom <= now);
  const current = generations[at];
  const next = generations[at + 1];
  const earlier = generations.slice(0, Math.max(at, 0));
  // Each signed until the one after it did.
  const lives = (_: G, i: number) => ((generations[i + 1] as G).signsFrom + keptMs > now) as boolean;
  return {
    current,
    next,
    former: earlier.filter(lives),
    ended: earlier.filter((generation, i) => !lives(generation, i)),
    changesAt: next?.signsFrom,
    due: current !== undefined && next === undefined && current.signsFrom + signsMs - publishedAheadMs <= now,
  };
}
