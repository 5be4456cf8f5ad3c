import { textOf } from "../log/redaction.ts";
import type { FinishedSpan } from "./tracer.ts";
import { type Attributes, SPAN_KIND } from "./tracing.ts";

const STATUS_ERROR = 2;
const NAME_CHARS_MAX = 200;
const TEXT_CHARS_MAX = 500;

/** The body of an OTLP/HTTP export in JSON (opentelemetry.io/docs/specs/otlp, stable since 1.0). */
export const otlpJson = (spans: readonly FinishedSpan[], resource: Attributes, version: string): string =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: { name: "ganglion", version }, spans: spans.map(spanOf) }],
      },
    ],
  });

const spanOf = (span: FinishedSpan) => ({
  ...{ traceId: span.traceId, spanId: span.spanId },
  ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
  ...{ name: span.name.slice(0, NAME_CHARS_MAX), kind: SPAN_KIND[span.kind] },
  ...{ startTimeUnixNano: nanos(span.startMs), endTimeUnixNano: nanos(span.endMs) },
  attributes: attributesOf(span.attributes),
  ...(span.failure === undefined
    ? {}
    : { status: { code: STATUS_ERROR, message: textOf(span.failure, TEXT_CHARS_MAX) } }),
});

/** 64-bit integers are decimal texts in protobuf's JSON. */
const nanos = (ms: number) => `${Math.round(ms * 1000)}000`;

const attributesOf = (attributes: Attributes) =>
  Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [{ key, value: anyValue(value) }]));

function anyValue(value: string | number | boolean) {
  if (typeof value === "string") return { stringValue: textOf(value, TEXT_CHARS_MAX) };
  if (typeof value === "boolean") return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
