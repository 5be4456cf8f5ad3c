import type { TestContext } from "node:test";
import type { EdgeCapabilities } from "../../../schemas/edge-capabilities.ts";
import type { AcknowledgeOrder } from "../../../services/mqtt-bridge/edge/acknowledge.ts";
import type { Edge } from "../../../services/mqtt-bridge/edge/edge.ts";
import type { DeviceKey } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import type { Platform } from "./suite/platform.ts";
import type { StartEdge } from "./suite/subject.ts";

/** Devices that are registered everywhere; all have the secret of the suite. */
export const DEVICES: readonly DeviceKey[] = [
  { tenantId: "default", deviceId: "boiler-7" },
  { tenantId: "default", deviceId: "boiler-8" },
  { tenantId: "one", deviceId: "boiler-7" },
  { tenantId: "two", deviceId: "boiler-7" },
];

export interface EdgeStart {
  /** Which of several. @default "first" */
  bridge?: string;
  seenIntervalMs?: number;
  acknowledgeOrder?: AcknowledgeOrder;
}

/** A broker for one test, and the platform behind it. */
export interface Place {
  /** Where devices connect: `mqtt://…`. */
  url(): string;
  /** Starts an edge, which the test has to close where another is to take its place. */
  start(options?: EdgeStart): Promise<Edge>;
  /** A device's topic at the broker. */
  topic(device: DeviceKey, topic: string): string;
  /** The registry has the device no more. */
  revoke(device: DeviceKey): void;
}

/** A kind of MQTT edge, as the suite runs over it. */
export interface World {
  readonly name: string;
  readonly capabilities: EdgeCapabilities;
  /** The broker ends what goes wrong by closing the connection, and its session with it. */
  open(t: TestContext, platform: Platform): Promise<Place>;
  /** Where the broker is the edge itself: then every packet to devices is ours to answer for. */
  readonly own?: StartEdge;
}
