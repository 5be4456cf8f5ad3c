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

/**
 * How devices of one kind use MQTT: who a CONNECT is, which topics are whose, what a payload means. A dialect is pure:
 * no clock, no I/O, no state. Adding one is a folder here and a line in `index.ts`.
 */
export interface Dialect {
  readonly name: string;
  /** Who connects, by what CONNECT says; undefined where the CONNECT is not of this dialect. */
  identify(connect: ConnectRequest): DeviceKey | undefined;
  /** What a PUBLISH of the device to this topic carries; undefined = the topic is not its own. */
  uplink(topic: string, deviceId: string): "telemetry" | undefined;
  maySubscribe(filter: string, deviceId: string): boolean;
  decodeTelemetry(message: UplinkPayload): Decoded;
}
