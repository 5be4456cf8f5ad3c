import assert from "node:assert/strict";
import { test } from "node:test";
import { newSpanId, newTraceId, parseTraceparent, traceparentOf } from "../../../../lib/tracing/trace-context.ts";

const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];

test("a traceparent names trace, span and decision (W3C Trace Context 3.2)", () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true });
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-00`), { traceId, spanId, sampled: false });
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-03`), { traceId, spanId, sampled: true });
});

test("of a later version what this one knows is taken (3.2.2.5)", () => {
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01-what-follows`), { traceId, spanId, sampled: true });
});

for (const wrong of [
  undefined,
  1,
  "",
  "x",
  `ff-${traceId}-${spanId}-01`,
  `00-${"0".repeat(32)}-${spanId}-01`,
  `00-${traceId}-${"0".repeat(16)}-01`,
  `00-${traceId.toUpperCase()}-${spanId}-01`,
  `00-${traceId}-${spanId}-01-more`,
  `00-${traceId}-${spanId}-1`,
  `00-${traceId}-${spanId}-01-${"x".repeat(600)}`,
])
  test(`is no traceparent: ${String(wrong).slice(0, 60)}`, () => {
    assert.equal(parseTraceparent(wrong), undefined);
  });

test("what is made is read back, and no two are the same", () => {
  const context = { traceId: newTraceId(), spanId: newSpanId(), sampled: true };
  assert.deepEqual(parseTraceparent(traceparentOf(context)), context);
  assert.notEqual(newTraceId(), newTraceId());
});
