import type { Context, Service, ServiceSchema } from "moleculer";
import type { HealthBroker } from "../health.ts";
import { metricsText } from "../metrics-text.ts";
import { exitWith } from "../start-and-stop.ts";
import { conflictOf, type Engines } from "./engines.ts";
import type { StreamBroker } from "./streams.ts";

/** The service that every process has beside its own; the `$` keeps it out of lists of the platform's services. */
export const NODE_SERVICE = "$process";

interface Node {
  id: string;
  local: boolean;
  metadata?: { engines?: Engines; startedAt?: number } | null;
}
type Process = Omit<Service, "broker"> & {
  broker: Service["broker"] & HealthBroker & StreamBroker;
  text?: () => string;
  judge(node: Node): void;
};

/** What one process of the platform tells the others: how it is, its metrics, the streams that it offers. */
export const nodeService = (engines: Engines, startedAt: number): ServiceSchema =>
  ({
    name: NODE_SERVICE,

    actions: {
      reasons(this: Process) {
        return this.broker.health.reasons();
      },
      metrics(this: Process) {
        this.text ??= metricsText(this.broker.metrics, { node: this.broker.nodeID });
        return this.text();
      },
      pull(this: Process, ctx: Context<{ id: string }>) {
        return this.broker.streamOffers.pull(ctx.params.id);
      },
      hold(this: Process, ctx: Context<{ id: string }>) {
        this.broker.streamOffers.hold(ctx.params.id);
      },
      drop(this: Process, ctx: Context<{ id: string }>) {
        this.broker.streamOffers.drop(ctx.params.id);
      },
    },

    events: {
      "$node.connected"(this: Process, ctx: Context<{ node: Node }>) {
        this.judge(ctx.params.node);
      },
    },

    methods: {
      /** Two processes whose stores are not the same are no platform: the one that came later leaves. */
      judge(this: Process, { id, metadata }: Node) {
        const { engines: others = {}, startedAt: theirs = 0 } = metadata ?? {};
        const conflict = conflictOf(engines, others);
        if (conflict === undefined) return;
        const later = startedAt === theirs ? this.broker.nodeID > id : startedAt > theirs;
        if (later)
          exitWith(
            `this process and ${id} are not of one platform: ${conflict}; embedded engines are shared by one DATA_DIR`,
          );
        this.logger.error("A process that is not of this platform came, and has to leave.", { node: id, conflict });
      },
    },

    /** Of those that were there before this service the event was missed. */
    started(this: Process) {
      const nodes = this.broker.registry.nodes as unknown as { toArray(): Node[] };
      for (const node of nodes.toArray()) if (!node.local) this.judge(node);
    },
  }) as unknown as ServiceSchema;
