import type { AuditRecorded } from "./audit.ts";
import type { DeviceEvent } from "./device-events.ts";
import type { MailRequested } from "./mail.ts";
import type { TelemetryReceived, TelemetryRejected } from "./telemetry.ts";

/** Declares the payload of a channel as a type only: hot-path messages are validated once, at the edge. */
export const fact = <Payload extends object>() => ({
  kind: "facts" as const,
  payload: undefined as unknown as Payload,
});
/** The same for a channel of work. */
export const work = <Payload extends object>() => ({ kind: "work" as const, payload: undefined as unknown as Payload });
export type ChannelKind = "facts" | "work";

/**
 * Every durable channel: what travels on it and with which semantics. Facts (`fact<Payload>()`) are ordered per key
 * (`tenant/device`), replayable, and any number of groups consumes them. An item of work (`work<Payload>()`) is done by
 * one taker, with a time to live and a delay; it is retried, and its order is not kept then. What a consumer cannot
 * handle goes to `<channel>.dead`.
 */
export const channels = {
  /** A device's telemetry message, validated, with its identity. */
  "telemetry.received": fact<TelemetryReceived>(),
  /** Connections, disconnections and signs of life of devices. */
  "device.events": fact<DeviceEvent>(),
  /** An uplink message that was refused, with the reason and its bytes. */
  "telemetry.rejected": fact<TelemetryRejected>(),
  /** What was done, by whom; of a tenant in order. */
  "audit.recorded": fact<AuditRecorded>(),
  /** A mail to be sent. */
  "mail.requested": work<MailRequested>(),
} as const;

export type Channels = typeof channels;
/** Where a channel's dead letters travel; they are read as text, because they may be anything. */
export type DeadChannel = `${keyof Channels}.dead`;
export type Payload<K extends keyof Channels> = Channels[K]["payload"];
