import { Readable } from "node:stream";
import type { Context, Middleware, ServiceBroker } from "moleculer";
import { NODE_SERVICE } from "./node-service.ts";
import { pulledStream } from "./pulled-stream.ts";
import { type Pulled, StreamOffers } from "./stream-offers.ts";

/** Stands in a packet for a stream. */
interface Handle {
  $stream: string;
}
interface StreamMeta {
  /** The body of the request, where it is a stream. */
  $upload?: Handle;
}
type StreamContext = Omit<Context<unknown, StreamMeta>, "options"> & {
  options: { stream?: Readable };
  stream: Readable | null;
};
type Next = (ctx: StreamContext) => Promise<unknown>;

export interface StreamBroker {
  streamOffers: StreamOffers;
}

/** After which a stream that nobody asks for is given up; a reader says several times meanwhile that it is there. */
const IDLE_MS = 60_000;
const HOLD_MS = 15_000;

const isHandle = (value: unknown): value is Handle =>
  typeof value === "object" && value !== null && typeof (value as Partial<Handle>).$stream === "string";

/**
 * Streams between processes: uploads (`ctx.stream`) and answers that are Readables. Moleculer sends their chunks as fast
 * as they come, whatever the reader does; here the reader asks for each.
 */
export const remoteStreams: Middleware = {
  name: "RemoteStreams",

  created(broker: ServiceBroker & StreamBroker) {
    broker.streamOffers = new StreamOffers(IDLE_MS);
  },

  localAction(this: ServiceBroker & StreamBroker, next: Next) {
    return async (ctx: StreamContext) => {
      if (ctx.nodeID === this.nodeID) return next(ctx);
      const { $upload: upload } = ctx.meta;
      if (upload) {
        delete ctx.meta.$upload;
        ctx.stream = pulledFrom(this, ctx.nodeID as string, upload);
      }
      const result = await next(ctx);
      return result instanceof Readable ? ({ $stream: this.streamOffers.offer(result) } satisfies Handle) : result;
    };
  },

  remoteAction(this: ServiceBroker & StreamBroker, next: Next) {
    return async (ctx: StreamContext) => {
      const { stream } = ctx.options;
      const offered = stream && this.streamOffers.offer(stream);
      if (offered !== undefined) {
        ctx.meta.$upload = { $stream: offered };
        // Otherwise Moleculer would send it as well.
        ctx.options = { ...ctx.options };
        delete ctx.options.stream;
        ctx.stream = null;
      }
      try {
        const result = await next(ctx);
        return isHandle(result) ? pulledFrom(this, ctx.nodeID as string, result) : result;
      } finally {
        if (offered !== undefined) {
          delete ctx.meta.$upload;
          this.streamOffers.withdraw(offered);
        }
      }
    };
  },

  async stopped(broker: ServiceBroker & StreamBroker) {
    broker.streamOffers.close();
  },
} as unknown as Middleware;

function pulledFrom(broker: ServiceBroker, nodeID: string, { $stream: id }: Handle): Readable {
  const call = <T>(action: "pull" | "hold" | "drop") =>
    broker.call<T, { id: string }>(`${NODE_SERVICE}.${action}`, { id }, { nodeID });
  return pulledStream(
    { pull: () => call<Pulled>("pull"), hold: () => call<void>("hold"), drop: () => call<void>("drop") },
    HOLD_MS,
  );
}
