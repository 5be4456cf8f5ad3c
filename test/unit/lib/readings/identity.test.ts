import assert from "node:assert/strict";
import { test } from "node:test";
import { type IdentitySource, seqOf, stableHash } from "../../../../lib/readings/identity.ts";

// These numbers are in every stored key. A test that turns red here says: readings will be stored twice.
test("stableHash gives the numbers it always gave", () => {
  for (const [text, number] of [
    ["", 3338908027751811],
    ["a", 7929297801672961],
    ['p{"temperature":21.5}', 2404696896843846],
    ["s7.1:0", 5967435987593082],
    ["é€😀\ud800", 2742679365943814],
  ] as const)
    assert.equal(stableHash(text), number, JSON.stringify(text));
});

const source: IdentitySource = {
  id: undefined,
  messageId: undefined,
  timed: true,
  values: '{"t":1}',
  packet: "7.1",
  place: 0,
};

test("seqOf gives the numbers it always gave", () => {
  for (const [fields, number] of [
    [{ id: "a" }, 2178614692179273],
    [{ id: 5 }, 1759699722279556],
    [{ id: "5" }, 1724875537521787],
    [{ messageId: "m-1" }, 3819620748711303],
    [{ messageId: "m-1", place: 3 }, 3003123590449220],
    [{}, 8719000152094635],
    [{ timed: false }, 5967435987593082],
    [{ timed: false, place: 3 }, 5239029702160731],
  ] as const)
    assert.equal(seqOf({ ...source, ...fields }), number, JSON.stringify(fields));
});

test("an item's own id alone decides, then the message's id and the place, then the values, then the packet and the place", () => {
  const other = { timed: false, values: '{"t":2}', packet: "8.9" };
  assert.equal(
    seqOf({ ...source, id: "a", messageId: "m", place: 1 }),
    seqOf({ ...source, ...other, id: "a", place: 2 }),
  );
  assert.equal(seqOf({ ...source, messageId: "m" }), seqOf({ ...source, ...other, messageId: "m" }));
  assert.notEqual(seqOf({ ...source, messageId: "m" }), seqOf({ ...source, messageId: "m", place: 1 }));
  assert.equal(
    seqOf({ ...source, place: 1 }),
    seqOf({ ...source, packet: "8.9", place: 2 }),
    "the same reading twice is one",
  );
  assert.notEqual(seqOf(source), seqOf({ ...source, values: '{"t":2}' }));
  const untimed = { ...source, timed: false };
  assert.equal(seqOf(untimed), seqOf({ ...untimed, values: '{"t":2}' }));
  assert.notEqual(seqOf(untimed), seqOf({ ...untimed, packet: "7.2" }));
  assert.notEqual(seqOf(untimed), seqOf({ ...untimed, place: 1 }));
});

test("sources of different kinds are not taken for each other, whatever their texts", () => {
  const seqs = [
    { id: "1" },
    { id: 1 },
    { id: 'm0:1"' },
    { messageId: "1" },
    { messageId: '{"t":1}' },
    { values: "1" },
    { timed: false, packet: "1" },
  ].map((fields) => seqOf({ ...source, ...fields }));
  assert.equal(new Set(seqs).size, seqs.length);
});

test("a seq is an integer from 0 to 2^53 - 1, and 100,000 packets have 100,000 of them", () => {
  const seqs = new Set<number>();
  for (let n = 0; n < 100_000; n++) seqs.add(seqOf({ ...source, timed: false, packet: `1.${n}` }));
  assert.equal(seqs.size, 100_000);
  for (const seq of seqs) assert.ok(Number.isSafeInteger(seq) && seq >= 0);
});
