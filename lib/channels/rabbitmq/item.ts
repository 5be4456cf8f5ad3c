import type { ConsumeMessage, Options } from "amqplib";
import { type DeadCause, isDeadChannel } from "../dead-cause.ts";
import { ChannelPayloadError } from "../errors.ts";
import type { WorkMessage } from "../message.ts";

/** An item as it travels; times in milliseconds since 1970. */
export interface RabbitItem {
  /** Of all its copies; unknown of what somebody else published. */
  id: string | undefined;
  position: number;
  published: number;
  key: string | null;
  /** The publisher's own. */
  headers: Record<string, string>;
  /** Not to be delivered before; 0 = at once. */
  due: number;
  deadline: number | null;
  /** Deliveries that count. Of an item that was delivered: that one included. */
  deliveries: number;
  /** Handlers that failed with it, whether the delivery counts or not. */
  failures: number;
  /** Grows with each copy that takes the place of the one before, on the way to a delay queue and back. */
  copy: number;
}

// Names of our headers beside the publisher's own.
const KEY = "x-work-key";
const DUE = "x-work-due";
const DEADLINE = "x-work-deadline";
const DELIVERIES = "x-work-deliveries";
const FAILURES = "x-work-failures";
const COPY = "x-work-copy";
const OURS = /^x-(work-|death$|first-death-|last-death-|delivery-count$|acquired-count$)/;

/** Everything of a header frame has to fit into 128 KiB, and characters may take four bytes. */
const HEADER_CHARS_MAX = 30_000;
/** Longest time to live that RabbitMQ takes, milliseconds: 2^32 - 1. */
const EXPIRATION_MAX = 4_294_967_295;

/** Positions tell items apart, and no more: each process counts on from a random place. */
let position = Math.floor(Math.random() * 2 ** 52);
export const nextPosition = (): number => ++position;

/** The properties of a message that carries the item. @throws ChannelPayloadError when key and headers are too long */
export function propertiesOf(item: RabbitItem): Options.Publish {
  const headers: Record<string, string | number> = { ...item.headers };
  if (item.key !== null) headers[KEY] = item.key;
  if (item.due > 0) headers[DUE] = item.due;
  if (item.deadline !== null) headers[DEADLINE] = item.deadline;
  if (item.deliveries > 0) headers[DELIVERIES] = item.deliveries;
  if (item.failures > 0) headers[FAILURES] = item.failures;
  if (item.copy > 0) headers[COPY] = item.copy;
  let chars = 0;
  for (const name in headers) chars += name.length + String(headers[name]).length;
  if (chars > HEADER_CHARS_MAX)
    throw new ChannelPayloadError(`key and headers: ${chars} characters, at most ${HEADER_CHARS_MAX} are allowed`);
  return {
    persistent: true,
    mandatory: true,
    contentType: "application/json",
    messageId: item.id ?? `${item.published}-${item.position}`,
    headers,
  };
}

/**
 * How long the queue itself keeps an item, as RabbitMQ wants it: what nobody consumes expires there. Deadlines beyond
 * 49 days are left to whoever takes the item.
 */
export const expirationOf = (deadline: number | null, now: number): string | undefined => {
  if (deadline === null || deadline - now > EXPIRATION_MAX) return undefined;
  return String(Math.max(1, deadline - now));
};

/** The item that a message carries, also one that somebody else published. */
export function itemOf({ properties }: ConsumeMessage, now: number): RabbitItem {
  const all: Record<string, unknown> = properties.headers ?? {};
  const headers: Record<string, string> = {};
  for (const name in all) if (typeof all[name] === "string" && !OURS.test(name)) headers[name] = all[name];
  const id = typeof properties.messageId === "string" ? properties.messageId : undefined;
  const [published, position] = (id ?? "").split("-").map(Number);
  const ours = Number.isSafeInteger(published) && Number.isSafeInteger(position);
  const count = (name: string): number => (Number.isSafeInteger(all[name]) ? Number(all[name]) : 0);
  return {
    id,
    position: ours ? (position as number) : 0,
    published: ours ? (published as number) : now,
    key: typeof all[KEY] === "string" ? all[KEY] : null,
    headers,
    due: count(DUE),
    deadline: Number.isSafeInteger(all[DEADLINE]) ? Number(all[DEADLINE]) : null,
    // The queue counts how often it took the message back, from processes that died or stopped.
    deliveries: count(DELIVERIES) + count("x-delivery-count") + 1,
    failures: count(FAILURES),
    copy: count(COPY),
  };
}

/** What the handler is told of the item. */
export const workMessageOf = (item: RabbitItem): WorkMessage => ({
  position: item.position,
  key: item.key,
  headers: item.headers,
  timestamp: item.published,
  deliveries: item.deliveries,
});

/** Which death the queue itself has caused, if it did: of a dead letter that no consumer wrote. */
export function deathOf(
  queue: string,
  { properties }: ConsumeMessage,
): { cause: DeadCause; queue: string; at: Date } | undefined {
  const deaths: unknown = properties.headers?.["x-death"];
  if (!isDeadChannel(queue) || !Array.isArray(deaths)) return undefined;
  const death = deaths.find((one) => `${one?.queue}.dead` === queue);
  if (!death) return undefined;
  const seconds = Number(death.time?.value);
  return {
    cause: death.reason === "expired" || death.reason === "rejected" ? death.reason : "delivery_limit",
    queue: String(death.queue),
    at: new Date(Number.isFinite(seconds) ? seconds * 1000 : Date.now()),
  };
}

/** @throws ChannelPayloadError where it is not JSON */
export function payloadOf(text: string, { position }: RabbitItem): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Without its cause, which would carry the payload into the log.
    throw new ChannelPayloadError(`Item ${position} is not JSON.`);
  }
}
