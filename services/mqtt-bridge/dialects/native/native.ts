import type { Dialect } from "../dialect.ts";
import { decodeTelemetry } from "./telemetry.ts";
import { canonical, configTopic, deviceOfUsername, maySubscribe, uplink } from "./topics.ts";

/** The platform's own topics and payloads: `devices/{id}/telemetry`, JSON, CBOR or SenML. See docs/mqtt.md. */
export const native: Dialect = {
  name: "native",
  identify: ({ username }) => deviceOfUsername(username),
  uplink,
  maySubscribe,
  canonical,
  configTopic,
  decodeTelemetry,
};
