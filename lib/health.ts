import type { Middleware, ServiceBroker } from "moleculer";

/** Says why something does not work at present; undefined where it does. Asked often: it looks, and never tries. */
export type HealthCheck = () => string | undefined;

/** What the engines and services of one process say of themselves. */
export class Health {
  readonly #checks = new Set<HealthCheck>();

  /** Asks the check from now on, until the returned function is called. */
  register(check: HealthCheck): () => void {
    this.#checks.add(check);
    return () => void this.#checks.delete(check);
  }

  /** One text for each thing that does not work; an engine that several services use is named once. */
  reasons(): string[] {
    return [...new Set([...this.#checks].flatMap((check) => check() ?? []))];
  }
}

export interface HealthBroker {
  /** Of this process; `/health/ready` tells it. */
  health: Health;
}

/** Gives the broker its `health`; to be listed before whoever registers a check. */
export const health: Middleware = {
  name: "Health",
  created(broker: ServiceBroker & Partial<HealthBroker>) {
    broker.health = new Health();
  },
} as Middleware;
