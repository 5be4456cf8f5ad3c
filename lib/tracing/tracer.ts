import { newSpanId, newTraceId, parseTraceparent, type TraceContext, traceparentOf } from "./trace-context.ts";
import type { Attributes, Span, SpanKind, Tracing } from "./tracing.ts";

/** A span that has ended. */
export interface FinishedSpan extends TraceContext {
  parentSpanId: string | undefined;
  name: string;
  kind: SpanKind;
  /** Milliseconds since 1970, with fraction. */
  startMs: number;
  endMs: number;
  attributes: Attributes;
  /** Why it failed. */
  failure: string | undefined;
}

const now = () => performance.timeOrigin + performance.now();

/** Records spans: those of a trace that its beginner samples, and this share of the traces that begin here. */
export class Tracer implements Tracing {
  readonly #ratio: number;
  readonly #finished: (span: FinishedSpan) => void;

  constructor(ratio: number, finished: (span: FinishedSpan) => void) {
    this.#ratio = ratio;
    this.#finished = finished;
  }

  start(name: string, kind: SpanKind, traceparent: unknown, attributes: Attributes = {}): Span | undefined {
    const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    if (parent ? !parent.sampled : Math.random() >= this.#ratio) return undefined;
    const context = { traceId: parent?.traceId ?? newTraceId(), spanId: newSpanId(), sampled: true };
    const span = {
      ...context,
      ...{ parentSpanId: parent?.spanId, name, kind, startMs: now(), endMs: 0, attributes: { ...attributes } },
      failure: undefined as string | undefined,
    };
    let open = true;
    return {
      traceparent: traceparentOf(context),
      traceId: context.traceId,
      rename: (to) => {
        span.name = to;
      },
      set: (more) => {
        Object.assign(span.attributes, more);
      },
      end: (error) => {
        if (!open) return;
        open = false;
        span.endMs = now();
        if (error !== undefined) span.failure = error instanceof Error ? error.message : String(error);
        this.#finished(span);
      },
    };
  }
}
