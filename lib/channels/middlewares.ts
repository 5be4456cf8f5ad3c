import channelsPackage from "@moleculer/channels";
import type { Middleware, ServiceBroker } from "moleculer";
import type { ChannelKind } from "../../schemas/channels.ts";
import { channels as declared } from "../../schemas/channels.ts";
import type { HealthBroker } from "../health.ts";
import type { ChannelAdapter, FactsAdapter, WorkAdapter } from "./base-adapter.ts";
import { channelMetrics } from "./channel-metrics.ts";
import type { FactsAdmin } from "./facts-admin.ts";
import type { WorkOptions } from "./message.ts";
import type { WorkAdmin } from "./work-admin.ts";

export interface ChannelEngines {
  /** Carries the channels of kind `facts`. */
  facts?: FactsAdapter;
  /** Carries the channels of kind `work`. */
  work?: WorkAdapter;
  /** What each channel is. @default schemas/channels.ts */
  channels?: Record<string, { kind: ChannelKind }>;
}

type Publish = (channel: string, payload: unknown, options?: WorkOptions & { ctx?: object }) => Promise<void>;

/** What these middlewares add to the broker. */
export interface ChannelBroker {
  /** Resolves when the channel holds the message durably. With `ctx` its request id, meta and headers travel along. */
  publish: Publish;
  /** Positions, lag and replay of the facts channels' groups. */
  facts: FactsAdmin;
  /** Depths of the work channels. */
  work: WorkAdmin;
}

/** Names under which the stock middleware of each kind stands on the broker and in a service's schema. */
const NAMES = {
  facts: {
    schemaProperty: "facts",
    sendMethodName: "sendFact",
    adapterPropertyName: "factsAdapter",
    channelHandlerTrigger: "emitLocalFactHandler",
  },
  work: {
    schemaProperty: "work",
    sendMethodName: "sendWork",
    adapterPropertyName: "workAdapter",
    channelHandlerTrigger: "emitLocalWorkHandler",
  },
} as const;

type SendingBroker = ServiceBroker &
  ChannelBroker &
  Partial<HealthBroker> &
  Record<(typeof NAMES)[ChannelKind]["sendMethodName"], Publish>;

/**
 * The middlewares that give services their durable channels: consumers under the schema property of the channel's kind
 * (`facts`, `work`), `broker.publish`, which knows each channel's kind, and `broker.facts` and `broker.work`.
 *
 * @throws Error naming a channel whose kind has no engine.
 */
export function channelMiddlewares({ facts, work, channels = declared }: ChannelEngines): Middleware[] {
  const adapters = { facts, work };
  const kinds = (Object.keys(NAMES) as ChannelKind[]).filter((kind) => adapters[kind]);
  for (const [channel, { kind }] of Object.entries(channels))
    if (!adapters[kind]) throw new Error(`channel '${channel}' is of kind '${kind}', for which there is no engine`);
  const consume = kinds.map((kind) =>
    channelsPackage.Middleware({
      adapter: adapters[kind],
      ...NAMES[kind],
      context: true,
      // The package wants a name or a configuration by its types; an instance is taken as it is.
    } as unknown as Parameters<typeof channelsPackage.Middleware>[0]),
  );
  return [...(consume as unknown as Middleware[]), publishing(adapters, channels), channelMetrics(adapters)];
}

/** How often the counter of sent messages is brought up to date: counting each would cost as much as a quarter of it. */
const COUNT_MS = 1000;

interface Route {
  adapter: ChannelAdapter;
  name: string;
  /** The stock method, which lets a context travel along. */
  send: Publish;
  sent: number;
}

function publishing(
  adapters: { facts: FactsAdapter | undefined; work: WorkAdapter | undefined },
  channels: Record<string, { kind: ChannelKind }>,
): Middleware {
  const routes = new Map<string, Route>();
  let counting: NodeJS.Timeout | undefined;
  const count = (broker: ServiceBroker) => {
    for (const [channel, route] of routes) {
      if (route.sent > 0) broker.metrics.increment("moleculer.channels.messages.sent", { channel }, route.sent);
      route.sent = 0;
    }
  };
  return {
    name: "Publish",
    created(broker: SendingBroker) {
      for (const [channel, { kind }] of Object.entries(channels)) {
        const adapter = adapters[kind] as ChannelAdapter; // Checked when the middlewares were made.
        const send: Publish = (...parameters) => broker[NAMES[kind].sendMethodName](...parameters);
        routes.set(channel, { adapter, name: adapter.addPrefixTopic(channel), send, sent: 0 });
      }
      for (const adapter of Object.values(adapters)) if (adapter) broker.health?.register(() => adapter.trouble);
      if (adapters.facts) broker.facts = adapters.facts;
      if (adapters.work) broker.work = adapters.work;
      broker.publish = (channel, payload, options) => {
        const route = routes.get(channel);
        if (!route) return Promise.reject(new Error(`channel '${channel}' is not declared`));
        // The stock method counts each message and writes the context into the options' headers: it gets copies.
        if (options?.ctx) return route.send(channel, payload, { ...options, headers: { ...options.headers } });
        route.sent++;
        return route.adapter.publish(route.name, payload, options);
      };
    },
    started(broker: ServiceBroker) {
      if (broker.isMetricsEnabled()) counting = setInterval(count, COUNT_MS, broker).unref();
    },
    stopping(_broker: ServiceBroker) {
      for (const adapter of Object.values(adapters)) adapter?.stopping?.();
    },
    stopped(broker: ServiceBroker) {
      clearInterval(counting);
      if (broker.isMetricsEnabled()) count(broker);
    },
  } as Middleware;
}
