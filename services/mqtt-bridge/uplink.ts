import type { Decoded, Dialect, TelemetryItem } from "./dialects/dialect.ts";
import type { Outcome } from "./edge/acknowledge.ts";
import type { DeviceKey, InboundMessage } from "./edge/edge-policy.ts";
import { Reason, Refusal } from "./edge/reason.ts";
import { seqOf, stableHash } from "./identity.ts";
import { rejectionOf } from "./rejected-message.ts";
import type { TypeSchema } from "./type-schemas.ts";

/** Appends JSON text to a channel; resolves when it is durable. */
export type PublishText = (
  channel: "telemetry.received" | "telemetry.rejected",
  text: string,
  options: { key: string; raw: true },
) => Promise<void>;

/** How much happened since the start; read by a sampler, never reported per message. */
export interface UplinkCounts {
  /** Messages stored as telemetry. */
  published: number;
  /** Messages stored as rejected messages. */
  rejected: number;
  /** Messages that could not be stored, and so were not acknowledged. */
  failed: number;
}

/** The way of a telemetry message from its PUBLISH to the channel: decode, name, serialise once, commit. */
export class Uplink {
  readonly counts: UplinkCounts = { published: 0, rejected: 0, failed: 0 };
  readonly #publish: PublishText;

  constructor(publish: PublishText) {
    this.#publish = publish;
  }

  /**
   * Resolves when the message is durable: as telemetry, or, with a Refusal 0x99, as a rejected message.
   *
   * @throws Refusal 0x97 where the channel is full, 0x83 where it failed: nothing is stored.
   */
  receive(dialect: Dialect, device: DeviceKey, message: InboundMessage, schema?: TypeSchema): Promise<Outcome> {
    const key = `${device.tenantId}/${device.deviceId}`;
    const decoded: Decoded = dialect.decodeTelemetry(message);
    if ("rejected" in decoded) return this.#reject(key, device, message, decoded.rejected);
    const refused = schema?.refusal(decoded.items, message.receivedAt);
    if (refused !== undefined) return this.#reject(key, device, message, refused);
    const text = telemetryText(device, message, decoded.items);
    return this.#publish("telemetry.received", text, { key, raw: true }).then(this.#stored, this.#failed);
  }

  #reject(key: string, device: DeviceKey, message: InboundMessage, reason: string): Promise<Outcome> {
    const text = JSON.stringify(rejectionOf(device, message, reason));
    return this.#publish("telemetry.rejected", text, { key, raw: true }).then(() => {
      this.counts.rejected++;
      return new Refusal(Reason.payloadFormatInvalid, reason);
    }, this.#failed);
  }

  readonly #stored = (): undefined => {
    this.counts.published++;
  };

  readonly #failed = (cause: unknown): never => {
    this.counts.failed++;
    // Compared by type: the error may have come from another node.
    if ((cause as { type?: unknown } | undefined)?.type === "CHANNEL_FULL")
      throw new Refusal(Reason.quotaExceeded, "too many messages wait to be stored; try again later", { cause });
    throw new Refusal(Reason.implementationSpecific, "the message could not be stored", { cause });
  };
}

/** The JSON text of a TelemetryReceived, written by hand: each item's values are serialised once, and hashed so. */
export function telemetryText(device: DeviceKey, message: InboundMessage, items: readonly TelemetryItem[]): string {
  const arrival = items.some((item) => item.ts === undefined) ? message.arrival() : undefined;
  const receivedAt = arrival?.receivedAt ?? message.receivedAt;
  const packet = arrival?.packet ?? "";
  let readings = "";
  let identity = "";
  for (const [place, item] of items.entries()) {
    const values = JSON.stringify(item.values);
    const ts = item.ts ?? receivedAt + item.sinceArrival;
    const timed = item.ts !== undefined;
    const seq = seqOf({ id: item.id, messageId: message.messageId, timed, values, packet, place });
    identity += place === 0 ? `${ts}-${seq}` : `,${ts}-${seq}`;
    readings += `${place === 0 ? "" : ","}{"ts":${ts},"seq":${seq},"values":${values}}`;
  }
  // Tenant and device ids need no escaping: their grammars have no character that JSON escapes.
  const messageId = items.length === 1 ? identity : `${items.length}-${stableHash(identity)}`;
  return `{"tenantId":"${device.tenantId}","deviceId":"${device.deviceId}","messageId":"${messageId}","receivedAt":${receivedAt},"readings":[${readings}]}`;
}
