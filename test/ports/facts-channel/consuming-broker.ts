import { type Context, ServiceBroker, type ServiceSchema } from "moleculer";
import type { FactsAdapter } from "../../../lib/channels/base-adapter.ts";
import type { RawMessage } from "../../../lib/channels/message.ts";
import { type ChannelBroker, channelMiddlewares } from "../../../lib/channels/middlewares.ts";

/** A consumer as a service declares it, with the handler's context made explicit. */
export interface Consumer {
  group: string;
  batch?: { size?: number };
  maxRetries?: number;
  text?: boolean;
  startFrom?: "beginning" | "end";
  // Payloads are whatever a test publishes.
  handler(payload: never, raw: never, ctx: Context<unknown, Record<string, unknown>>): unknown;
}

/** Every channel that the suite uses. */
const channels = Object.fromEntries(
  ["readings", "readings.dead", "other"].map((name) => [name, { kind: "facts" as const }]),
);

/** A started broker with one service per consumer: `{readings: [consumer, consumer]}`. */
export async function consumingBroker(adapter: FactsAdapter, consumers: Record<string, Consumer[]> = {}) {
  const broker = new ServiceBroker({
    namespace: "test",
    logger: false,
    metrics: false,
    dependencyInterval: 10,
    skipProcessEventRegistration: true,
    middlewares: channelMiddlewares({ facts: adapter, channels }),
  }) as ServiceBroker & ChannelBroker;
  for (const [channel, list] of Object.entries(consumers))
    for (const { handler, ...consumer } of list)
      broker.createService({
        name: `${channel}-${consumer.group}`,
        facts: {
          [channel]: {
            ...consumer,
            handler: (ctx: Context<unknown, Record<string, unknown>>, raw: RawMessage | RawMessage[]) =>
              handler(ctx.params as never, raw as never, ctx),
          },
        },
      } as ServiceSchema);
  await broker.start();
  return broker;
}
