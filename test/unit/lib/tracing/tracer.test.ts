import assert from "node:assert/strict";
import { test } from "node:test";
import { OtlpExporter } from "../../../../lib/tracing/otlp-exporter.ts";
import { type FinishedSpan, Tracer } from "../../../../lib/tracing/tracer.ts";

const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

test("the share decides for traces that begin here; a caller's decision is followed whatever the share", () => {
  const finished: FinishedSpan[] = [];
  const none = new Tracer(0, (span) => finished.push(span));
  const all = new Tracer(1, (span) => finished.push(span));
  assert.equal(none.start("a", "server", undefined), undefined);
  assert.ok(all.start("a", "server", undefined));
  assert.ok(none.start("a", "server", parent));
  assert.equal(all.start("a", "server", parent.replace(/01$/, "00")), undefined);
  const tenth = new Tracer(0.1, () => {});
  const begun = Array.from({ length: 20_000 }, () => tenth.start("a", "server", undefined)).filter(Boolean).length;
  assert.ok(begun > 1500 && begun < 2500, String(begun));
});

test("a span is told once, with its parent, its last name, what was set, and why it failed", () => {
  const finished: FinishedSpan[] = [];
  const span = new Tracer(0, (one) => finished.push(one)).start("a", "server", parent, { x: 1 });
  span?.rename("b");
  span?.set({ y: "z" });
  span?.end(new Error("why"));
  span?.end();
  assert.equal(finished.length, 1);
  assert.partialDeepStrictEqual(finished[0], {
    ...{ traceId: "4bf92f3577b34da6a3ce929d0e0e4736", parentSpanId: "00f067aa0ba902b7", name: "b" },
    ...{ attributes: { x: 1, y: "z" }, failure: "why" },
  });
});

test("a collector that never answers holds a bounded queue, and a close ends within its bound", async () => {
  const told: object[] = [];
  const exporter = new OtlpExporter({
    ...{ endpoint: "http://127.0.0.1:9", headers: {}, resource: {}, version: "0", queueMax: 100, timeoutMs: 1000 },
    failed: (message, fields) => told.push({ message, ...fields }),
  });
  const tracer = new Tracer(1, exporter.add);
  for (let i = 0; i < 1000; i++) tracer.start("a", "internal", undefined)?.end();
  const begun = performance.now();
  await exporter.close(3000);
  assert.ok(performance.now() - begun < 10_000);
  assert.partialDeepStrictEqual(told[0], { message: "Traces could not be sent.", failures: 1, dropped: 900 });
});
