import assert from "node:assert/strict";
import { test } from "node:test";
import { scheduleOf } from "../../../services/oauth/keys/key-schedule.ts";

const options = { signsMs: 1000, publishedAheadMs: 100, keptMs: 50 };
const numbers = (now: number, ...signsFrom: number[]) => {
  const generations = signsFrom.map((at, i) => ({ number: i + 1, signsFrom: at }));
  const { current, next, former, ended, due } = scheduleOf(generations, now, options);
  return [current?.number, next?.number, former.map((one) => one.number), ended.map((one) => one.number), due];
};

test("before the first there is none", () => {
  assert.deepEqual(numbers(0), [undefined, undefined, [], [], false]);
});

test("the next one is due so long before the current one ends as it is published ahead", () => {
  assert.deepEqual(numbers(899, 0), [1, undefined, [], [], false]);
  assert.deepEqual(numbers(900, 0), [1, undefined, [], [], true]);
});

test("the next one is published and does not sign before its time", () => {
  assert.deepEqual(numbers(999, 0, 1000), [1, 2, [], [], false]);
  assert.deepEqual(numbers(1000, 0, 1000), [2, undefined, [1], [], false]);
});

test("a former one stays until what it signed has ended", () => {
  assert.deepEqual(numbers(1049, 0, 1000), [2, undefined, [1], [], false]);
  assert.deepEqual(numbers(1050, 0, 1000), [2, undefined, [], [1], false]);
});
