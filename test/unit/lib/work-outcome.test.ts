import assert from "node:assert/strict";
import { test } from "node:test";
import { Errors } from "moleculer";
import { EngineUnavailableError, RetryLaterError } from "../../../lib/channels/errors.ts";
import { type OutcomeRules, outcomeOf, undeliverable } from "../../../lib/channels/work-outcome.ts";
import { itemTimes } from "../../../lib/channels/work-times.ts";

const rules: OutcomeRules = { deliveriesMax: 3, delayMaxMs: 1000, last: false, retryMs: 100, retryMaxMs: 400 };
const nth = (deliveries: number) => ({ deliveries, fence: deliveries });

for (const [what, error, deliveries, expected] of [
  ["a client's fault is rejected", new Errors.MoleculerClientError("x"), 1, { dead: "rejected" }],
  ["a retryable error at the limit", new Errors.MoleculerRetryableError("x"), 3, { dead: "delivery_limit" }],
  ["an unknown error at the limit", new TypeError("x"), 3, { dead: "delivery_limit" }],
  ["what is no error at the limit", "x", 3, { dead: "delivery_limit" }],
  ["nothing at the limit", undefined, 3, { dead: "delivery_limit" }],
] as const)
  test(`an item is put aside: ${what}`, () => {
    assert.deepEqual(outcomeOf(error, nth(deliveries), rules), expected);
  });

test("other errors are retried, each wait twice as long, up to the longest", () => {
  for (const [deliveries, longest] of [
    [1, 100],
    [2, 200],
  ] as const) {
    const outcome = outcomeOf(new Error("x"), nth(deliveries), rules);
    assert.ok("retryMs" in outcome && outcome.counts);
    assert.ok(outcome.retryMs >= longest / 2 && outcome.retryMs <= longest);
  }
});

test("an outage does not count, and waits longer with each delivery all the same", () => {
  const outcome = outcomeOf(new EngineUnavailableError("x"), { deliveries: 1, fence: 9 }, rules);
  assert.ok("retryMs" in outcome && !outcome.counts && outcome.retryMs >= 200);
});

test("an error's own delay holds, within the limit", () => {
  for (const [asked, given] of [
    [7, 7],
    [5000, 1000],
  ] as const)
    assert.deepEqual(outcomeOf(new RetryLaterError("x", asked), nth(1), rules), { retryMs: given, counts: true });
});

test("a dead letter is never put aside itself", () => {
  const outcome = outcomeOf(new Errors.MoleculerClientError("x"), nth(99), { ...rules, last: true });
  assert.ok("retryMs" in outcome && !outcome.counts);
  assert.equal(undeliverable({ deliveries: 99, deadline: 1 }, 2, { ...rules, last: true }), undefined);
});

test("an item is not delivered when its time is up, or when its deliveries never ended", () => {
  assert.equal(undeliverable({ deliveries: 1, deadline: 5 }, 5, rules), "expired");
  assert.equal(undeliverable({ deliveries: 1, deadline: 6 }, 5, rules), undefined);
  assert.equal(undeliverable({ deliveries: 3, deadline: null }, 5, rules), undefined);
  assert.equal(undeliverable({ deliveries: 4, deadline: null }, 5, rules), "delivery_limit");
});

test("of time to live and deadline the earlier one holds; the channel's own is for items without either", () => {
  const limits = { ttlMs: 50, delayMaxMs: 100 };
  for (const [options, expected] of [
    [{}, { due: 1000, deadline: 1050 }],
    [{ ttlMs: 500 }, { due: 1000, deadline: 1500 }],
    [{ expiresAt: 1200 }, { due: 1000, deadline: 1200 }],
    [
      { ttlMs: 500, expiresAt: 1200, delayMs: 30 },
      { due: 1030, deadline: 1200 },
    ],
    [
      { ttlMs: 100, expiresAt: 1200 },
      { due: 1000, deadline: 1100 },
    ],
  ] as const)
    assert.deepEqual(itemTimes(options, limits, 1000), expected);
  assert.deepEqual(itemTimes({}, { ...limits, ttlMs: undefined }, 1000), { due: 1000, deadline: null });
});
