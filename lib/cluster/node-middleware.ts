import type { Middleware, ServiceBroker } from "moleculer";
import type { Engines } from "./engines.ts";
import { nodeService } from "./node-service.ts";

/** Gives the process the service by which the others know it. */
export const nodeMiddleware = ({ engines, startedAt }: { engines: Engines; startedAt: number }): Middleware =>
  ({
    name: "Process",
    created(broker: ServiceBroker) {
      broker.createService(nodeService(engines, startedAt));
    },
  }) as unknown as Middleware;
