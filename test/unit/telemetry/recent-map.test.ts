import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentMap } from "../../../services/telemetry/reading-store/sqlite/recent-map.ts";

test("a recent map never holds more than it may, and keeps what is asked for", () => {
  const map = new RecentMap<number>(10);
  map.set("kept", -1);
  for (let n = 0; n < 1000; n++) {
    map.set(`${n}`, n);
    assert.ok(map.size <= 10, `${map.size} entries`);
    assert.equal(map.get("kept"), -1);
    assert.equal(map.get(`${n}`), n);
  }
  assert.equal(map.get("1"), undefined);
});

test("what is deleted is gone from both generations", () => {
  const map = new RecentMap<number>(4);
  for (const key of ["a", "b", "c"]) map.set(key, 1);
  for (const key of ["a", "c"]) map.delete(key);
  assert.deepEqual([map.get("a"), map.get("b"), map.get("c"), map.size], [undefined, 1, undefined, 1]);
});

test("setting a key again replaces its value, whichever generation held it", () => {
  const map = new RecentMap<number>(4);
  for (const key of ["a", "b", "c"]) map.set(key, 1);
  map.set("a", 2);
  assert.deepEqual([map.get("a"), map.size], [2, 3]);
});
