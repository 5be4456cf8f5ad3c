import type { ServiceBroker } from "moleculer";
import { NODE_SERVICE } from "./node-service.ts";

export interface Told<T> {
  nodeId: string;
  /** Left out where the process did not answer. */
  told?: T;
}

/** Longer than a busy process needs, and short enough for whoever asks about health. */
const TIMEOUT_MS = 2000;

/** Asks every other process of the platform the same; none where this one is all of it. */
export function askOthers<T>(broker: ServiceBroker, what: "reasons" | "metrics"): Promise<Told<T>[]> {
  const action = `${NODE_SERVICE}.${what}`;
  const nodes = broker.registry.getNodeList({ onlyAvailable: true, withServices: true }) as unknown as {
    id: string;
    local: boolean;
    services: { name: string }[];
  }[];
  const others = nodes.filter(({ local, services }) => !local && services.some(({ name }) => name === NODE_SERVICE));
  return Promise.all(
    others.map(async ({ id: nodeId }) => {
      try {
        return { nodeId, told: await broker.call<T, object>(action, {}, { nodeID: nodeId, timeout: TIMEOUT_MS }) };
      } catch {
        return { nodeId };
      }
    }),
  );
}
