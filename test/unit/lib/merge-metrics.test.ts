import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeMetrics } from "../../../lib/merge-metrics.ts";

test("a metric of several processes has one head, and its samples together", () => {
  const text = (node: string, more = "") =>
    `# HELP a Of a.\n# TYPE a gauge\na{node="${node}"} 1\n\n# HELP b Of b.\n# TYPE b histogram\nb_sum{node="${node}"} 2\n${more}`;
  assert.equal(
    mergeMetrics([text("x"), text("y", "# TYPE c gauge\nc 3\n"), ""]),
    `# HELP a Of a.\n# TYPE a gauge\na{node="x"} 1\na{node="y"} 1\n# HELP b Of b.\n# TYPE b histogram\nb_sum{node="x"} 2\nb_sum{node="y"} 2\n# TYPE c gauge\nc 3\n`,
  );
});
