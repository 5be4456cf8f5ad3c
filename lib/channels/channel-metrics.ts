import type { Middleware, ServiceBroker } from "moleculer";
import type { FactsAdmin } from "./facts-admin.ts";
import type { WorkAdmin } from "./work-admin.ts";

const LAG = "channels.group.lag";
const DEPTH = "channels.work.depth";
/** Each sample is a few look-ups per channel. */
const SAMPLE_MS = 5000;

interface Engines {
  facts: FactsAdmin | undefined;
  work: WorkAdmin | undefined;
}

/** What has piled up in the channels, sampled: how far each group is behind, and how many items each queue holds. */
export function channelMetrics({ facts, work }: Engines): Middleware {
  let sampling: NodeJS.Timeout | undefined;
  const sample = async ({ metrics, logger }: ServiceBroker) => {
    try {
      for (const { channel, group, lag } of (await facts?.lags()) ?? []) metrics.set(LAG, lag, { channel, group });
      for (const { channel, depth } of (await work?.depths()) ?? []) metrics.set(DEPTH, depth, { channel });
    } catch (error) {
      logger.warn("The channels could not be measured.", { error });
    }
  };
  return {
    name: "ChannelMetrics",
    async started(broker: ServiceBroker) {
      if (!broker.isMetricsEnabled()) return;
      const { metrics } = broker;
      metrics.register({
        name: LAG,
        type: "gauge",
        labelNames: ["channel", "group"],
        description: "Messages that a group has not committed yet.",
      });
      metrics.register({
        name: DEPTH,
        type: "gauge",
        labelNames: ["channel"],
        description: "Items of a work channel that are not at their end.",
      });
      await sample(broker);
      sampling = setInterval(sample, SAMPLE_MS, broker).unref();
    },
    stopping: () => clearInterval(sampling),
  } as unknown as Middleware;
}
