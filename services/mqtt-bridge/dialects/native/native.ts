import type { Dialect } from "../dialect.ts";
import { decodeTelemetry } from "./telemetry.ts";
import { deviceOfUsername, isTelemetryTopic, maySubscribe } from "./topics.ts";

/** The platform's own topics and payloads: `devices/{id}/telemetry`, JSON, CBOR or SenML. See docs/mqtt.md. */
export const native: Dialect = {
  name: "native",
  identify: ({ username }) => deviceOfUsername(username),
  uplink: (topic, deviceId) => (isTelemetryTopic(topic, deviceId) ? "telemetry" : undefined),
  maySubscribe,
  decodeTelemetry,
};
