import type { Middleware, Service, ServiceBroker } from "moleculer";

const NAME = "ganglion.service.running";

/** The metric `ganglion_service_running{service="…"}`: 1 for each service of this process that has started. */
export const serviceInfo: Middleware = {
  name: "ServiceInfo",
  created(broker: ServiceBroker) {
    if (broker.isMetricsEnabled())
      broker.metrics.register({
        name: NAME,
        type: "gauge",
        labelNames: ["service"],
        description: "Services that run.",
      });
  },
  serviceStarted: (service: Service) => set(service, 1),
  serviceStopped: (service: Service) => set(service, 0),
} as Middleware;

async function set({ broker, name }: Service, value: 0 | 1): Promise<void> {
  if (broker.isMetricsEnabled()) broker.metrics.set(NAME, value, { service: name });
}
