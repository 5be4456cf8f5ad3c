import type { DeviceEvent } from "./device-events.ts";
import type { TelemetryReceived, TelemetryRejected } from "./telemetry.ts";

/** Declares the payload of a channel as a type only: hot-path messages are validated once, at the edge. */
const fact = <Payload extends object>() => ({ kind: "facts" as const, payload: undefined as unknown as Payload });

/**
 * Every durable channel: what travels on it and with which semantics. Facts are ordered per key (`tenant/device`),
 * replayable, and any number of groups consumes them; a group's poison goes to `<channel>.dead`.
 */
export const channels = {
  /** A device's telemetry message, validated, with its identity. */
  "telemetry.received": fact<TelemetryReceived>(),
  /** Connections, disconnections and signs of life of devices. */
  "device.events": fact<DeviceEvent>(),
  /** An uplink message that was refused, with the reason and its bytes. */
  "telemetry.rejected": fact<TelemetryRejected>(),
} as const;

export type Channels = typeof channels;
export type Payload<K extends keyof Channels> = Channels[K]["payload"];
