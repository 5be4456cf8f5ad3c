import type { EdgeCapabilities } from "../../../schemas/edge-capabilities.ts";
import type { DeliverOptions } from "./delivery.ts";
import type { DeviceKey } from "./edge-policy.ts";

/** The MQTT edge of the platform, whichever broker the devices connect to. */
export interface Edge {
  readonly capabilities: EdgeCapabilities;
  /** Where devices connect, or where the broker is reached: URLs without user and password. */
  readonly listening: readonly string[];
  /** Connections of devices; 0 where they are the broker's. */
  readonly connections: number;
  /** Messages to topics that are not a device's own, or over a limit. */
  readonly refused: number;
  /** Messages to devices that made room for newer ones. */
  readonly dropped: number;
  /** Why it does not work at present; undefined where it does. */
  readonly trouble: string | undefined;
  /** Sends to the device's subscriptions on one of its topics; resolves when edge or broker is responsible for it. */
  deliver(device: DeviceKey, topic: string, payload: Buffer, options?: DeliverOptions): Promise<void>;
  /** The new current value of one of the device's topics: also for who subscribes later. */
  setCurrent(device: DeviceKey, topic: string, payload: Buffer): Promise<void>;
  /** The device's access was revoked. */
  disconnect(device: DeviceKey): void;
  /** The device may connect where it might not before. */
  admit?(device: DeviceKey): void;
  /** The broker was told that the device may subscribe to one of its topics, as dialects know it. */
  subscribing?(device: DeviceKey, filter: string): void;
  /** Takes the certificate anew from its files. @throws Error naming the file that is wrong; the former stays. */
  reloadCertificate(): void;
  /** Stops within a bound, whatever broker, clients and channel do. */
  close(): Promise<void>;
}
