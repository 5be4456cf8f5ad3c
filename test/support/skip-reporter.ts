import type { TestEvent } from "node:test/reporters";

/** A reporter of node:test: one JSON line per finished test that is no suite, for the run's own totals. */
export default async function* outcomes(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    if (event.type !== "test:pass" && event.type !== "test:fail") continue;
    const { name, skip, todo, details, file } = event.data;
    if ((details as { type?: string }).type === "suite") continue;
    // node:test reports each file as a test of its own name only when it fails outside any test.
    const outcome = event.type === "test:fail" ? "failed" : skip || todo ? "skipped" : "passed";
    yield `${JSON.stringify({ name, file, outcome, reason: skip || todo })}\n`;
  }
}
