import assert from "node:assert/strict";
import { test } from "node:test";
import { Health } from "../../../lib/health.ts";

test("every check is asked anew; the same reason from two services is one; a check that left is not asked", () => {
  const health = new Health();
  let full: string | undefined;
  health.register(() => full);
  health.register(() => full);
  const leave = health.register(() => "b");
  assert.deepEqual(health.reasons(), ["b"]);
  full = "a";
  assert.deepEqual(health.reasons(), ["a", "b"]);
  leave();
  assert.deepEqual(health.reasons(), ["a"]);
});
