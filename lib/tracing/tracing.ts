/** What services may do with traces; `broker.tracing` is there only where traces are configured. */
export interface Tracing {
  /**
   * Begins a span below the `traceparent`, whose decision to sample is followed; without one it may begin a trace.
   * Undefined where nothing is to be recorded.
   */
  start(name: string, kind: SpanKind, traceparent: unknown, attributes?: Attributes): Span | undefined;
}

export interface Span {
  /** For whatever this leads to: W3C Trace Context. */
  readonly traceparent: string;
  readonly traceId: string;
  rename(name: string): void;
  set(attributes: Attributes): void;
  /** Ends it; with an error it has failed. */
  end(error?: unknown): void;
}

export type Attributes = Record<string, string | number | boolean | undefined>;

/** By the numbers of OTLP. */
export const SPAN_KIND = { internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const;
export type SpanKind = keyof typeof SPAN_KIND;

export interface TracingBroker {
  tracing?: Tracing;
}
