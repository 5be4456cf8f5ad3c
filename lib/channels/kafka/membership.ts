/** Errors that mean: this consumer's hold of its partitions is over, it has to join its group again. */
const OVER = [
  "REBALANCE_IN_PROGRESS",
  "ILLEGAL_GENERATION",
  "UNKNOWN_MEMBER_ID",
  "NOT_COORDINATOR_FOR_GROUP",
  "FENCED_INSTANCE_ID",
];

export const isOver = (error: unknown): boolean => OVER.includes(String((error as { type?: unknown } | null)?.type));

/** A consumer is gone for its group after so long without a sign of life; the least that brokers allow by default. */
export const SESSION_MS = 6000;
/** How long a group waits for a member that is in a handler before it goes on without it. */
export const REBALANCE_MS = 6000;
export const HEARTBEAT_MS = 1000;
