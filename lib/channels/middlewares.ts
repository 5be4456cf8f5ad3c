import channelsPackage from "@moleculer/channels";
import type { Middleware, ServiceBroker } from "moleculer";
import { channels as declared } from "../../schemas/channels.ts";
import type { FactsAdapter } from "./base-adapter.ts";
import type { FactsAdmin } from "./facts-admin.ts";
import type { PublishOptions } from "./message.ts";

export interface ChannelEngines {
  /** Carries the channels of kind `facts`. */
  facts: FactsAdapter;
  /** What each channel is. @default schemas/channels.ts */
  channels?: Record<string, { kind: "facts" }>;
}

type Publish = (channel: string, payload: unknown, options?: PublishOptions & { ctx?: object }) => Promise<void>;

/** What these middlewares add to the broker. */
export interface ChannelBroker {
  /** Resolves when the channel holds the message durably. With `ctx` its request id, meta and headers travel along. */
  publish: Publish;
  /** Positions, lag and replay of the facts channels' groups. */
  facts: FactsAdmin;
}

type SendingBroker = ServiceBroker & ChannelBroker & { sendFact: Publish };

/**
 * The middlewares that give services their durable channels: consumers under the schema property of the channel's kind
 * (`facts`), and `broker.publish` and `broker.facts`.
 */
export function channelMiddlewares({ facts, channels = declared }: ChannelEngines): Middleware[] {
  const consume = channelsPackage.Middleware({
    adapter: facts,
    schemaProperty: "facts",
    sendMethodName: "sendFact",
    adapterPropertyName: "factsAdapter",
    channelHandlerTrigger: "emitLocalFactHandler",
    context: true,
    // The package wants a name or a configuration by its types; an instance is taken as it is.
  } as unknown as Parameters<typeof channelsPackage.Middleware>[0]);
  return [consume as unknown as Middleware, publishing(facts, channels)];
}

/** How often the counter of sent messages is brought up to date: counting each would cost as much as a quarter of it. */
const COUNT_MS = 1000;

function publishing(facts: FactsAdapter, channels: Record<string, { kind: "facts" }>): Middleware {
  const routes = new Map<string, { name: string; sent: number }>();
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
      for (const channel of Object.keys(channels))
        routes.set(channel, { name: facts.addPrefixTopic(channel), sent: 0 });
      broker.facts = facts;
      broker.publish = (channel, payload, options) => {
        const route = routes.get(channel);
        if (!route) return Promise.reject(new Error(`channel '${channel}' is not declared`));
        // The stock method counts each message and writes the context into the options' headers: it gets copies.
        if (options?.ctx) return broker.sendFact(channel, payload, { ...options, headers: { ...options.headers } });
        route.sent++;
        return facts.publish(route.name, payload, options);
      };
    },
    started(broker: ServiceBroker) {
      if (broker.isMetricsEnabled()) counting = setInterval(count, COUNT_MS, broker).unref();
    },
    stopped(broker: ServiceBroker) {
      clearInterval(counting);
      if (broker.isMetricsEnabled()) count(broker);
    },
  } as Middleware;
}
