import assert from "node:assert/strict";
import { test } from "node:test";
import { ExactSum } from "../../../../lib/migrate/exact-sum.ts";
import { seededRandom } from "../../../ports/document-store/random-queries.ts";

const sumOf = (addends: readonly number[]) => {
  const sum = new ExactSum();
  for (const addend of addends) sum.add(addend);
  return sum.value;
};

test("a sum is the exact one, rounded once", () => {
  assert.equal(sumOf([]), 0);
  assert.equal(sumOf(Array(10).fill(0.1)), 1);
  assert.equal(sumOf([1e100, 1, -1e100]), 1);
  assert.equal(sumOf([1, 2 ** -53, 2 ** -80]), 1 + 2 ** -52);
  assert.equal(sumOf([1, 2 ** -53]), 1);
  assert.equal(sumOf([2 ** 1023, 1, -(2 ** 1023)]), 1, "what may leave the doubles is left out");
});

test("the order of the addends does not matter", () => {
  const random = seededRandom(1);
  for (let round = 0; round < 200; round++) {
    const addends = Array.from({ length: 50 }, () => (random() - 0.5) * 10 ** Math.floor(random() * 30 - 15));
    const shuffled = addends.map((addend) => [random(), addend] as const).sort(([a], [b]) => a - b);
    assert.equal(sumOf(shuffled.map(([, addend]) => addend)), sumOf(addends));
  }
});
