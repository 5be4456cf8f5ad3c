import type { MetricRegistry } from "moleculer";
import type { Model } from "mongoose";
import type { DeadLetterDocument } from "./dead-letter.model.ts";

const NAME = "dead.letters";
const SAMPLE_MS = 5000;

/** How many dead letters wait for a decision, per channel and group, sampled. Returns the timer. */
export function letterMetrics(
  registry: MetricRegistry,
  letters: Model<DeadLetterDocument>,
  failed: (error: unknown) => void,
): NodeJS.Timeout {
  registry.register({
    name: NAME,
    type: "gauge",
    labelNames: ["channel", "group"],
    description: "Dead letters that wait for a decision.",
  });
  const known = new Map<string, { channel: string; group: string }>();
  const sample = async () => {
    for (const channel of await letters.distinct("channel"))
      for (const group of await letters.distinct("group", { channel }))
        known.set(`${channel}/${group}`, { channel, group });
    for (const labels of known.values()) registry.set(NAME, await letters.countDocuments(labels), labels);
  };
  const sampling = () => void sample().catch(failed);
  sampling();
  return setInterval(sampling, SAMPLE_MS).unref();
}
