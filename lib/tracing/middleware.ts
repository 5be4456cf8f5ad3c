import type { ActionSchema, Context, Middleware, ServiceBroker } from "moleculer";
import type { RawMessage } from "../channels/message.ts";
import type { Config } from "../config.ts";
import type { Meta } from "../meta.ts";
import type { TypedBroker } from "../service.ts";
import { VERSION } from "../version.ts";
import { OtlpExporter } from "./otlp-exporter.ts";
import { Tracer } from "./tracer.ts";
import type { Span, TracingBroker } from "./tracing.ts";

/** Traced messages of one batch that get a span of their own. */
const SPANS_PER_BATCH_MAX = 64;
const CLOSE_MS = 2000;

type Broker = ServiceBroker & TracingBroker & { publish: TypedBroker["publish"] };
type Options = { headers?: Record<string, string>; ctx?: { meta?: Meta } } | undefined;
type Next<Result = unknown> = (ctx: Context<unknown, Meta>, raw?: unknown) => Promise<Result>;

/**
 * Traces over REST, actions, MQTT and channels. Loaded only where a collector is configured; a trace is begun by the
 * gateway and the MQTT edge alone, and everything else only continues one that it is given: without a `traceparent` it
 * costs one comparison.
 */
export function tracingMiddleware(config: Config & { OTEL_EXPORTER_OTLP_ENDPOINT: string }): Middleware {
  let exporter: OtlpExporter | undefined;
  let tracing: Tracer;

  return {
    name: "Traces",

    created(broker: Broker) {
      const sending = new OtlpExporter({
        endpoint: config.OTEL_EXPORTER_OTLP_ENDPOINT,
        headers: config.OTEL_EXPORTER_OTLP_HEADERS ?? {},
        resource: {
          "service.name": config.OTEL_SERVICE_NAME,
          "service.version": VERSION,
          "service.instance.id": broker.nodeID,
        },
        version: VERSION,
        failed: (message, fields) => broker.logger.warn(message, fields),
      });
      exporter = sending;
      tracing = new Tracer(config.OTEL_TRACES_SAMPLER_ARG, sending.add);
      broker.tracing = tracing;
      const { publish } = broker;
      broker.publish = (channel, payload, options) => {
        const { headers, ctx } = (options as Options) ?? {};
        const parent = headers?.["traceparent"] ?? ctx?.meta?.traceparent;
        const span = parent === undefined ? undefined : tracing.start(`publish ${channel}`, "producer", parent);
        if (!span) return publish(channel, payload, options);
        span.set({ "messaging.destination.name": channel, "messaging.operation.type": "send" });
        const carrying = { ...options, headers: { ...headers, traceparent: span.traceparent } };
        return ended(publish(channel, payload, carrying), [span]);
      };
    },

    localAction(next: Next, action: ActionSchema) {
      return (ctx: Context<unknown, Meta>) => {
        const parent = ctx.meta.traceparent;
        const span = parent === undefined ? undefined : tracing.start(String(action.name), "internal", parent);
        if (!span) return next(ctx);
        ctx.meta.traceparent = span.traceparent;
        return ended(next(ctx), [span]).finally(() => {
          // The caller takes over what a callee leaves in meta.
          if (parent !== undefined) ctx.meta.traceparent = parent;
        });
      };
    },

    localChannel(next: Next, { name, group }: { name: string; group: string }) {
      return (ctx: Context<unknown, Meta>, raw: RawMessage | readonly RawMessage[]) => {
        const spans: Span[] = [];
        for (const { headers } of Array.isArray(raw) ? (raw as readonly RawMessage[]) : [raw as RawMessage]) {
          const parent = headers["traceparent"];
          if (parent === undefined || spans.length === SPANS_PER_BATCH_MAX) continue;
          const span = tracing.start(`process ${name}`, "consumer", parent, {
            "messaging.destination.name": name,
            "messaging.consumer.group.name": group,
            "messaging.operation.type": "process",
          });
          if (span) spans.push(span);
        }
        const [first] = spans;
        if (!first) return next(ctx, raw);
        ctx.meta.traceparent = first.traceparent;
        return ended(next(ctx, raw), spans);
      };
    },

    async stopped() {
      await exporter?.close(CLOSE_MS);
    },
  } as unknown as Middleware;
}

/** Ends the spans with the work, as it ends. */
async function ended<T>(work: Promise<T>, spans: readonly Span[]): Promise<T> {
  try {
    const result = await work;
    for (const span of spans) span.end();
    return result;
  } catch (error) {
    for (const span of spans) span.end(error);
    throw error;
  }
}
