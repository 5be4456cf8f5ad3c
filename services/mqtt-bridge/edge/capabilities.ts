import type { Capability, EdgeCapabilities } from "../../../schemas/edge-capabilities.ts";

/** @throws Error naming what is required and not there. */
export function requireCapabilities(edge: string, has: EdgeCapabilities, required: readonly Capability[]): void {
  const missing = required.filter((name) => !has[name]);
  if (missing.length > 0) throw new Error(`MQTT_REQUIRE: ${edge} has no ${missing.join(", no ")}`);
}
