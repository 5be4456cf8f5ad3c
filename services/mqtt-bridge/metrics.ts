import type { MetricRegistry } from "moleculer";
import type { UplinkCounts } from "./uplink.ts";

export interface BridgeFigures extends UplinkCounts {
  /** PUBLISHes to topics that are not the device's own. */
  refused: number;
  /** Messages that a session's full queue has lost. */
  dropped: number;
  connections: number;
}

const COUNTERS = {
  published: "Messages stored as telemetry.",
  rejected: "Messages stored as rejected messages.",
  failed: "Messages that could not be stored and were not acknowledged.",
  refused: "Messages to topics that are not the device's own, or over a limit.",
  dropped: "Messages to devices that made room for newer ones in a full queue.",
};
const NAME = "mqtt.bridge";
const SAMPLE_MS = 1000;

/** Brings the metrics up to date once a second: counting each message would cost as much as its commit. */
export function bridgeMetrics(registry: MetricRegistry, figures: () => BridgeFigures): NodeJS.Timeout {
  const counters = Object.keys(COUNTERS) as (keyof typeof COUNTERS)[];
  for (const key of counters)
    registry.register({ name: `${NAME}.${key}.total`, type: "counter", description: COUNTERS[key] });
  registry.register({ name: `${NAME}.connections`, type: "gauge", description: "Open connections." });
  const sample = () => {
    const now = figures();
    for (const key of counters) registry.set(`${NAME}.${key}.total`, now[key]);
    registry.set(`${NAME}.connections`, now.connections);
  };
  sample();
  return setInterval(sample, SAMPLE_MS).unref();
}
