import type { TelemetryItem } from "../../../lib/readings/item.ts";
import type { ConnectRequest, DeviceKey } from "../edge/edge-policy.ts";

export type { TelemetryItem };

/** An uplink payload: what it means, or the one reason, naming the field, why it means nothing. */
export type Decoded = { items: TelemetryItem[] } | { rejected: string };

export interface UplinkPayload {
  payload: Buffer;
  /** MQTT 5 Content Type. */
  contentType: string | undefined;
}

/** What a PUBLISH of a device is about. */
export type UplinkKind = "telemetry" | "status" | "heartbeat";

/**
 * How devices of one kind use MQTT: who a CONNECT is, which topics are whose, what a payload means. A dialect is pure:
 * no clock, no I/O, no state. Adding one is a folder here and a line in `index.ts`.
 */
export interface Dialect {
  readonly name: string;
  /** Who connects, by what CONNECT says; undefined where the CONNECT is not of this dialect. */
  identify(connect: ConnectRequest): DeviceKey | undefined;
  /** What a PUBLISH of the device to this topic carries; undefined = the topic is not its own. */
  uplink(topic: string, deviceId: string): UplinkKind | undefined;
  maySubscribe(filter: string, deviceId: string): boolean;
  /** The form of a topic or filter that messages are delivered under, where the device may use several. */
  canonical(filter: string, deviceId: string): string;
  /** Where the device learns its configuration; canonical. */
  configTopic(deviceId: string): string;
  decodeTelemetry(message: UplinkPayload): Decoded;
}
