import type { ISubscribePacket, IUnsubscribePacket } from "mqtt-packet";
import type { Connection } from "./connection.ts";

/**
 * Inside the broker every topic begins with `@tenant/device/`, put there before the broker sees a packet and taken off
 * before a client does. What a client asks for can't reach another's topics, whatever the rules above say; nor can a
 * filter that is denied, which becomes one that nothing is ever published to.
 */
const DENIED = "@denied/";
const SHARED = "$share/";

/** The filter that marks a session as existing; granted to nobody. */
export const SESSION = `${DENIED}session`;

/** Rewrites the filters of a SUBSCRIBE or UNSUBSCRIBE in place. */
export function ownFilters(
  packet: { cmd: string },
  connection: Connection,
  allowed: (filter: string) => boolean,
): void {
  if (packet.cmd === "subscribe") {
    const { subscriptions } = packet as ISubscribePacket;
    for (const [index, subscription] of subscriptions.entries()) {
      const { topic } = subscription;
      // To MQTT 5 clients the broker itself says that shared subscriptions are not supported (0x9E).
      if (connection.version === 5 && topic.startsWith(SHARED)) continue;
      // Each its own name: of two equal filters the broker would answer one.
      subscription.topic = allowed(topic) ? connection.prefix + topic : DENIED + index;
    }
  } else if (packet.cmd === "unsubscribe") {
    const unsubscribe = packet as IUnsubscribePacket;
    unsubscribe.unsubscriptions = unsubscribe.unsubscriptions.map((topic) => connection.prefix + topic);
  }
}

/** Whether a rewritten filter is one of the connection's own. */
export const isOwn = (filter: string, connection: Connection): boolean => filter.startsWith(connection.prefix);

/**
 * The topic as the client knows it; undefined where it is another's. A packet that is sent again after a reconnect comes
 * from the session's queue with its prefix already off.
 */
export function outward(topic: string, connection: Connection): string | undefined {
  if (!topic.startsWith("@")) return topic;
  return topic.startsWith(connection.prefix) ? topic.slice(connection.prefix.length) : undefined;
}
