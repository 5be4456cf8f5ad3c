import { seqOf, stableHash } from "./identity.ts";
import type { TelemetryItem } from "./item.ts";

/** Whose the readings are and how they came. */
export interface Sender {
  readonly tenantId: string;
  readonly deviceId: string;
}

export interface Sending {
  /** Microseconds since 1970. */
  readonly receivedAt: number;
  /** The sender's own id of the message. */
  readonly messageId: string | undefined;
  /** Asked for only where an item brings no time of its own. `packet` names the message for all time. */
  arrival(): { readonly receivedAt: number; readonly packet: string };
}

/** What tells that another `ts` would be the same reading. */
const NAMED = ',"named":true';

/** The JSON text of a TelemetryReceived, written by hand: each item's values are serialised once, and hashed so. */
export function telemetryText(sender: Sender, sending: Sending, items: readonly TelemetryItem[]): string {
  const arrival = items.some((item) => item.ts === undefined) ? sending.arrival() : undefined;
  const receivedAt = arrival?.receivedAt ?? sending.receivedAt;
  const packet = arrival?.packet ?? "";
  let readings = "";
  let identity = "";
  for (const [place, item] of items.entries()) {
    const values = JSON.stringify(item.values);
    const ts = item.ts ?? receivedAt + item.sinceArrival;
    const timed = item.ts !== undefined;
    const seq = seqOf({ id: item.id, messageId: sending.messageId, timed, values, packet, place });
    identity += place === 0 ? `${ts}-${seq}` : `,${ts}-${seq}`;
    const named = !timed && (item.id !== undefined || sending.messageId !== undefined);
    readings += `${place === 0 ? "" : ","}{"ts":${ts},"seq":${seq},"values":${values}${named ? NAMED : ""}}`;
  }
  // Tenant and device ids need no escaping: their grammars have no character that JSON escapes.
  const messageId = items.length === 1 ? identity : `${items.length}-${stableHash(identity)}`;
  return `{"tenantId":"${sender.tenantId}","deviceId":"${sender.deviceId}","messageId":"${messageId}","receivedAt":${receivedAt},"readings":[${readings}]}`;
}
