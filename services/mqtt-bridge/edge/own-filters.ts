import type { ISubscribePacket, ISubscription, IUnsubscribePacket } from "mqtt-packet";
import type { Connection } from "./connection.ts";
import { Reason } from "./reason.ts";

/**
 * Inside the broker every topic begins with `@tenant/device/`, put there before the broker sees a packet and taken off
 * before a client does. What a client asks for can't reach another's topics, whatever the rules above say; nor can a
 * filter that is denied, which becomes one that nothing is ever published to.
 */
const DENIED = "@denied/";
/** Answered with the code that stands for the QoS, and then forgotten. */
const ANSWERED = "@answered/";
const SHARED = "$share/";

/** The filter that marks a session as existing; granted to nobody. */
export const SESSION = "@session";

/** A subscription as the broker sees it, with what the client called it. */
export interface OwnSubscription extends ISubscription {
  asked?: string;
  subscriptionIdentifier?: number;
}

/** A filter that a connection is subscribed to. */
export interface OwnFilter {
  /** With the connection's prefix. */
  readonly inner: string;
  readonly canonical: string;
  readonly asked: string;
  readonly qos: number;
  readonly identifier: number | undefined;
}

export interface FilterRules {
  allowed(filter: string): boolean;
  canonical(filter: string): string;
  max: number;
}

/** Rewrites the filters of a SUBSCRIBE or UNSUBSCRIBE in place, and notes which of them want a current value. */
export function ownFilters(packet: { cmd: string }, connection: Connection, rules: FilterRules): void {
  if (packet.cmd === "subscribe") {
    const { subscriptions, properties } = packet as ISubscribePacket;
    const seen = new Map<string, OwnSubscription>();
    for (const [index, subscription] of subscriptions.entries())
      rewrite(subscription, index, { connection, rules, seen, identifier: properties?.subscriptionIdentifier });
  } else if (packet.cmd === "unsubscribe") {
    const unsubscribe = packet as IUnsubscribePacket;
    unsubscribe.unsubscriptions = unsubscribe.unsubscriptions.map((filter, index) => {
      if (!rules.allowed(filter)) return DENIED + index;
      const inner = connection.prefix + rules.canonical(filter);
      connection.filters.delete(inner);
      return inner;
    });
  }
}

interface Subscribing {
  connection: Connection;
  rules: FilterRules;
  /** By filter, what this packet has asked for so far. */
  seen: Map<string, OwnSubscription>;
  identifier: number | undefined;
}

function rewrite(
  subscription: OwnSubscription,
  index: number,
  { connection, rules, seen, identifier }: Subscribing,
): void {
  const { topic: asked, rh } = subscription;
  // To MQTT 5 clients the broker itself says that shared subscriptions are not supported (0x9E).
  if (connection.version === 5 && asked.startsWith(SHARED)) return;
  // Each its own name: of two equal filters the broker would answer one.
  if (!rules.allowed(asked)) {
    subscription.topic = DENIED + index;
    return;
  }
  const canonical = rules.canonical(asked);
  const inner = connection.prefix + canonical;
  const known = connection.filters.has(inner);
  if (!known && connection.filters.size >= rules.max) {
    subscription.topic = ANSWERED + index;
    subscription.qos = (connection.version === 5 ? Reason.quotaExceeded : 0x80) as 0;
    return;
  }
  // The later one replaces the former (MQTT-3.8.4-3), which is answered all the same.
  const former = seen.get(inner);
  if (former) former.topic = `${ANSWERED}${index}`;
  seen.set(inner, subscription);
  subscription.topic = inner;
  subscription.asked = asked;
  // MQTT-3.3.1-10, -11: Retain Handling.
  if (rh === 2 || (rh === 1 && known)) connection.due.delete(inner);
  else connection.due.add(inner);
  connection.filters.set(inner, { inner, canonical, asked, qos: subscription.qos, identifier });
}

/** Notes a subscription of a session that is resumed. */
export function restoreFilter({ topic, asked, qos, subscriptionIdentifier }: OwnSubscription, to: Connection): void {
  if (to.filters.has(topic)) return;
  const canonical = topic.slice(to.prefix.length);
  to.filters.set(topic, {
    ...{ inner: topic, canonical, qos },
    asked: asked ?? canonical,
    identifier: subscriptionIdentifier,
  });
}

/** Whether a rewritten filter is one of the connection's own. */
export const isOwn = (filter: string, connection: Connection): boolean => filter.startsWith(connection.prefix);

/** Whether the broker may grant it for its answer's sake. */
export const isAnswered = (filter: string): boolean => filter.startsWith(ANSWERED);

/** Whether a rewritten filter is no subscription, and not to be kept. */
export const isPrivate = (filter: string): boolean => filter.startsWith(DENIED) || isAnswered(filter);

/** The topic in the form that the client subscribed with; undefined where it is another's. */
export function outward(topic: string, connection: Connection): string | undefined {
  if (!topic.startsWith(connection.prefix)) return undefined;
  const canonical = topic.slice(connection.prefix.length);
  const filter = filterOf(topic, connection);
  if (!filter || filter.asked === filter.canonical) return canonical;
  return renamed(canonical, filter);
}

/** The subscription that a topic is delivered by: of those that match, the one with the highest QoS. */
export function filterOf(topic: string, connection: Connection): OwnFilter | undefined {
  let best: OwnFilter | undefined;
  for (const filter of connection.filters.values())
    if ((!best || filter.qos > best.qos) && matches(filter.inner, topic)) best = filter;
  return best;
}

/** The two forms of a filter differ at the beginning: what they share at the end is left as it is. */
function renamed(topic: string, { canonical, asked }: OwnFilter): string {
  const [from, to] = [canonical.split("/"), asked.split("/")];
  while (from.length > 0 && to.length > 0 && from.at(-1) === to.at(-1)) {
    from.pop();
    to.pop();
  }
  return [...to, ...topic.split("/").slice(from.length)].join("/");
}

/** Whether a filter matches a topic (MQTT 5.0 section 4.7). */
function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const [levels, parts] = [filter.split("/"), topic.split("/")];
  for (const [index, level] of levels.entries()) {
    if (level === "#") return true;
    if (index >= parts.length || (level !== "+" && level !== parts[index])) return false;
  }
  return levels.length === parts.length;
}
