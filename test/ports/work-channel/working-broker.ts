import { type Context, ServiceBroker, type ServiceSchema } from "moleculer";
import type { WorkAdapter } from "../../../lib/channels/base-adapter.ts";
import type { WorkMessage } from "../../../lib/channels/message.ts";
import { type ChannelBroker, channelMiddlewares } from "../../../lib/channels/middlewares.ts";

/** A consumer as a service declares it, with the handler's context made explicit. */
export interface Worker {
  group: string;
  maxRetries?: number;
  maxInFlight?: number;
  text?: boolean;
  // Payloads are whatever a test publishes.
  handler(payload: never, raw: WorkMessage, ctx: Context<unknown, Record<string, unknown>>): unknown;
}

/** Every channel that the suite uses. */
const channels = Object.fromEntries(["jobs", "jobs.dead", "other"].map((name) => [name, { kind: "work" as const }]));

/** A started broker with one service per consumer: `{jobs: [worker, worker]}`. */
export async function workingBroker(adapter: WorkAdapter, workers: Record<string, Worker[]> = {}) {
  const broker = new ServiceBroker({
    namespace: "test",
    logger: false,
    metrics: false,
    dependencyInterval: 10,
    skipProcessEventRegistration: true,
    middlewares: channelMiddlewares({ work: adapter, channels }),
  }) as ServiceBroker & ChannelBroker;
  for (const [channel, list] of Object.entries(workers))
    for (const [index, { handler, ...worker }] of list.entries())
      broker.createService({
        name: `${channel}-${worker.group}-${index}`,
        work: {
          [channel]: {
            ...worker,
            handler: (ctx: Context<unknown, Record<string, unknown>>, raw: WorkMessage) =>
              handler(ctx.params as never, raw, ctx),
          },
        },
      } as ServiceSchema);
  try {
    await broker.start();
  } catch (error) {
    // A connection that stays open would keep this process alive.
    await adapter.disconnect();
    throw error;
  }
  return broker;
}
