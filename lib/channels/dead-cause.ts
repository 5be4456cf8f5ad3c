/**
 * Why a message came to `<channel>.dead`, in RabbitMQ's words: its handler said that trying again is pointless; it was
 * delivered as often as allowed; its time was up before it was delivered.
 */
export type DeadCause = "rejected" | "delivery_limit" | "expired";

/** What follows a channel's name in that of its dead letters. */
export const DEAD = ".dead";
export const deadChannelOf = (channel: string): string => `${channel}${DEAD}`;
export const isDeadChannel = (channel: string): boolean => channel.endsWith(DEAD);
