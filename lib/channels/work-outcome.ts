import { type BackOffOptions, backOffMs } from "./back-off.ts";
import type { DeadCause } from "./dead-cause.ts";
import { isFinal, isOutage } from "./errors.ts";

/** What becomes of an item whose handler failed. */
export type Outcome =
  | { dead: DeadCause }
  /** It is delivered again after a while. An outage is nobody's fault and does not count as a delivery. */
  | { retryMs: number; counts: boolean };

export interface OutcomeRules extends BackOffOptions {
  /** Deliveries of one item at most. */
  deliveriesMax: number;
  /** Longest wait that an error may ask for by its `delayMs`, milliseconds. */
  delayMaxMs: number;
  /** An item of a dead-letter channel has nowhere to go: it is tried for ever. */
  last: boolean;
}

/** By the class of the error: final, an outage, or anything else, which is tried again up to the limit. */
export function outcomeOf(
  error: unknown,
  { deliveries, fence }: { deliveries: number; fence: number },
  rules: OutcomeRules,
): Outcome {
  if (isOutage(error) || rules.last) return { retryMs: waitMs(error, fence, rules), counts: false };
  if (isFinal(error)) return { dead: "rejected" };
  if (deliveries >= rules.deliveriesMax) return { dead: "delivery_limit" };
  return { retryMs: waitMs(error, deliveries, rules), counts: true };
}

/** Why an item that was taken is not given to its handler, if it isn't. */
export function undeliverable(
  { deliveries, deadline }: { deliveries: number; deadline: number | null },
  now: number,
  { deliveriesMax, last }: OutcomeRules,
): DeadCause | undefined {
  if (last) return undefined;
  if (deadline !== null && deadline <= now) return "expired";
  // Its handlers ended with their processes, or never.
  return deliveries > deliveriesMax ? "delivery_limit" : undefined;
}

function waitMs(error: unknown, failures: number, { delayMaxMs, ...backOff }: OutcomeRules): number {
  const asked = (error as { delayMs?: unknown } | undefined)?.delayMs;
  if (typeof asked === "number" && asked >= 0) return Math.min(asked, delayMaxMs);
  return backOffMs(failures, backOff);
}
