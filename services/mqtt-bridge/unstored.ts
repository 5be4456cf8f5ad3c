import { isFinal } from "../../lib/channels/errors.ts";
import { Reason, Refusal, Unstored } from "./edge/reason.ts";

/**
 * What a device is told when a channel did not take its message: nothing, and the connection ends, so that it sends it
 * again; only a message that no channel can ever take is refused.
 *
 * @throws Refusal 0x83 where the message is at fault, else Unstored: 0x97 where the channel is full, 0x89 otherwise.
 */
export function unstored(cause: unknown): never {
  if (isFinal(cause)) throw new Refusal(Reason.implementationSpecific, "the message can't be stored", { cause });
  // Compared by type: the error may have come from another node.
  if ((cause as { type?: unknown } | undefined)?.type === "CHANNEL_FULL")
    throw new Unstored("too many messages wait to be stored", Reason.quotaExceeded, { cause });
  throw new Unstored("the message could not be stored", Reason.serverBusy, { cause });
}
