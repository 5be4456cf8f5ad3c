import { telemetryText } from "../../lib/readings/telemetry-text.ts";
import type { TypeSchema } from "../../lib/readings/type-schemas.ts";
import type { Decoded, Dialect } from "./dialects/dialect.ts";
import type { Outcome } from "./edge/acknowledge.ts";
import type { DeviceKey, InboundMessage } from "./edge/edge-policy.ts";
import { Reason, Refusal } from "./edge/reason.ts";
import { rejectionOf } from "./rejected-message.ts";
import { unstored } from "./unstored.ts";

/** Appends JSON text to a channel; resolves when it is durable. */
export type PublishText = (
  channel: "telemetry.received" | "telemetry.rejected",
  text: string,
  options: { key: string; raw: true; headers?: Record<string, string> },
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
   * @throws what `unstored` says: nothing is stored.
   */
  receive(dialect: Dialect, device: DeviceKey, message: InboundMessage, schema?: TypeSchema): Promise<Outcome> {
    const key = `${device.tenantId}/${device.deviceId}`;
    const decoded: Decoded = dialect.decodeTelemetry(message);
    if ("rejected" in decoded) return this.reject(device, message, decoded.rejected);
    const refused = schema?.refusal(decoded.items, message.receivedAt);
    if (refused !== undefined) return this.reject(device, message, refused);
    const text = telemetryText(device, message, decoded.items);
    const publish = () => this.#publish("telemetry.received", text, optionsOf(key, message));
    // A resend after a crash must find the arrival that this message is stored with.
    const stored = message.kept ? message.kept.then(publish) : publish();
    return stored.then(this.#stored, this.#failed);
  }

  /** Resolves, with a Refusal 0x99, when the message is durable as a rejected one. @throws as `receive` */
  reject(device: DeviceKey, message: InboundMessage, reason: string): Promise<Outcome> {
    const key = `${device.tenantId}/${device.deviceId}`;
    const text = JSON.stringify(rejectionOf(device, message, reason));
    const publish = () => this.#publish("telemetry.rejected", text, optionsOf(key, message));
    // As a reading's: a resend after a crash must find the arrival that names it.
    const stored = message.kept ? message.kept.then(publish) : publish();
    return stored.then(() => {
      this.counts.rejected++;
      return new Refusal(Reason.payloadFormatInvalid, reason);
    }, this.#failed);
  }

  readonly #stored = (): undefined => {
    this.counts.published++;
  };

  readonly #failed = (cause: unknown): never => {
    this.counts.failed++;
    return unstored(cause);
  };
}

/** Headers cost: a message has them only where it is traced. */
const optionsOf = (key: string, { headers }: InboundMessage): Parameters<PublishText>[2] =>
  headers === undefined ? { key, raw: true } : { key, raw: true, headers };
