import { type BulkFailure, bulkFailure, isAway } from "../../lib/bulk-failure.ts";
import type { DeadLetterDocument } from "./dead-letter.model.ts";
import { ChannelUnknownError, DeadLetterIncompleteError } from "./errors.ts";
import type { LetterStore, ListedLetter } from "./letter-store.ts";

/** Letters in memory at once, which share a commit. */
const AT_ONCE = 20;

/** @throws ChannelUnknownError, DeadLetterIncompleteError */
export function checkRedrivable(letter: DeadLetterDocument, channels: Record<string, unknown>): void {
  if (!Object.hasOwn(channels, letter.channel)) throw new ChannelUnknownError(letter.channel);
  if (!letter.complete) throw new DeadLetterIncompleteError(letter.letterId);
}

/**
 * Sends letters one after the other and removes those that are stored in their channels: in this order, so that a death
 * in between makes a duplicate, never a loss. While a channel is away or full nothing more is sent.
 */
export async function redriveAll(
  listed: readonly ListedLetter[],
  letters: Pick<LetterStore, "load" | "remove">,
  send: (letter: DeadLetterDocument) => Promise<void>,
): Promise<{ redriven: ListedLetter[]; failed: BulkFailure[]; tried: number }> {
  const redriven: ListedLetter[] = [];
  const failed: BulkFailure[] = [];
  let tried = 0;
  for (let away = false; tried < listed.length && !away; tried += AT_ONCE) {
    const some = await letters.load(listed.slice(tried, tried + AT_ONCE));
    const outcomes = await Promise.allSettled(some.map(send));
    const stored = some.filter((_, i) => outcomes[i]?.status === "fulfilled");
    await letters.remove(stored);
    redriven.push(...stored);
    for (const [i, outcome] of outcomes.entries()) {
      if (outcome.status === "fulfilled") continue;
      failed.push(bulkFailure((some[i] as DeadLetterDocument).letterId, outcome.reason));
      away ||= isAway(outcome.reason);
    }
  }
  return { redriven, failed, tried: Math.min(tried, listed.length) };
}
