import assert from "node:assert/strict";
import { test } from "node:test";
import { JtiWindow } from "../../../../lib/tokens/jti-window.ts";
import { ProofsFullError } from "../../../../lib/tokens/refusals.ts";

test("a key is remembered for the whole window and forgotten after two", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: 1_000_000 });
  const window = new JtiWindow(60, 100);
  assert.equal(window.first("a"), true);
  context.mock.timers.tick(59_000);
  assert.equal(window.first("b"), true);
  context.mock.timers.tick(59_000);
  assert.equal(window.first("b"), false);
  context.mock.timers.tick(125_000);
  assert.equal(window.first("a"), true);
});

test("what is remembered is never dropped for room: one more is refused", () => {
  const window = new JtiWindow(60, 3);
  for (const key of ["a", "b", "c"]) assert.equal(window.first(key), true);
  assert.throws(() => window.first("d"), ProofsFullError);
  assert.equal(window.first("a"), false);
});
