import type { Middleware, Service, ServiceBroker } from "moleculer";

type Opened = (this: unknown) => unknown;

const open = (service: Service) => (service.schema as { opened?: Opened }).opened?.call(service);

/**
 * Calls a service's `opened` once every service has started and the channels are connected: there a service lets the
 * outside in. Nothing that a device or a caller sends then meets a platform that is half there. To be listed after the
 * channels.
 */
export const opening: Middleware = {
  name: "Opening",
  async started(broker: ServiceBroker) {
    for (const service of broker.services) await open(service);
  },
  async serviceStarted(service: Service) {
    // Loaded by hand into a platform that runs.
    if ((service.broker as unknown as { started: boolean }).started) await open(service);
  },
} as Middleware;
