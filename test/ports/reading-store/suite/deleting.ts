import assert from "node:assert/strict";
import type { Test } from "../../known-divergences.ts";
import { randomOf } from "../random.ts";
import { all, DEVICE, message, type OpenStore, T0 } from "./subject.ts";

const other = { tenantId: "default", deviceId: "other" };
const foreign = { ...DEVICE, tenantId: "acme" };

export function deleting(open: OpenStore, test: Test): void {
  test("the readings of [from, to) are deleted and counted, and no other device's", async (t) => {
    const { store, reopen } = await open(t);
    for (const device of [DEVICE, other, foreign])
      await store.write(Array.from({ length: 10 }, (_, n) => message(T0 + n, 0, { n }, device)));
    assert.equal(await store.delete({ ...DEVICE, from: T0 + 2, to: T0 + 5 }), 3);
    assert.equal(await store.delete({ ...DEVICE, from: T0 + 2, to: T0 + 5 }), 0);
    const left = [0, 1, 5, 6, 7, 8, 9];
    const read = async (reader: typeof store, device = DEVICE) =>
      (await reader.range({ ...all, ...device })).map(({ values }) => values["n"]);
    assert.deepEqual(await read(store), left);
    assert.equal(await store.delete({ ...DEVICE, to: T0 + 1 }), 1);
    assert.equal(await store.delete({ ...DEVICE, from: T0 + 8 }), 2);
    const again = await reopen();
    assert.deepEqual(await read(again), [1, 5, 6, 7]);
    for (const device of [other, foreign]) assert.equal((await read(again, device)).length, 10);
  });

  test("a range without readings, one that ends before it begins, and an unknown device delete nothing", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 0, { a: 1 })]);
    assert.equal(await store.delete({ ...DEVICE, from: T0 + 1 }), 0);
    assert.equal(await store.delete({ ...DEVICE, from: T0 + 1, to: T0 }), 0);
    assert.equal(await store.delete({ ...DEVICE, deviceId: "unknown" }), 0);
    assert.equal((await store.range(all)).length, 1);
  });

  test("all of a device's readings: it has none, and what comes after is stored under its old metrics", async (t) => {
    const { store } = await open(t);
    const readings = Array.from({ length: 5001 }, (_, n) => ({ ts: T0 + Math.floor(n / 3), seq: n, values: { n } }));
    await store.write([{ ...message(T0, 0, {}), readings }]);
    assert.equal(await store.delete(DEVICE), 5001);
    assert.equal(await store.has(DEVICE), false);
    assert.deepEqual(await store.range(all), []);
    assert.deepEqual(await store.metrics(DEVICE), ["n"]);
    assert.deepEqual(await store.write([message(T0, 0, { m: 1, n: 2 })]), { stored: 1, duplicates: 0, refused: [] });
    assert.deepEqual((await store.range(all))[0]?.values, { n: 2, m: 1 });
  });

  test("what is written while a deletion runs, outside of its range, stays", async (t) => {
    const { store } = await open(t);
    const readings = Array.from({ length: 5000 }, (_, n) => ({ ts: T0 + n, seq: 0, values: { n } }));
    await store.write([{ ...message(T0, 0, {}), readings }]);
    const deletion = store.delete({ ...DEVICE, to: T0 + 5000 });
    for (let n = 5000; n < 5010; n++) await store.write([message(T0 + n, 0, { n })]);
    assert.equal(await deletion, 5000);
    assert.equal((await store.range(all)).length, 10);
  });

  test("random deletions leave what the definition leaves", async (t) => {
    const { store } = await open(t);
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomOf(seed);
      const device = { tenantId: "default", deviceId: `device-${seed}` };
      let expected = Array.from({ length: 300 }, (_, seq) => ({
        ts: T0 + Math.floor(random() * 50),
        seq,
        values: { seq },
      }));
      await store.write([{ ...message(T0, 0, {}, device), readings: expected }]);
      for (let round = 0; round < 4; round++) {
        const from = random() < 0.2 ? undefined : T0 + Math.floor(random() * 60 - 5);
        const to = random() < 0.2 ? undefined : (from ?? T0) + Math.floor(random() * 15);
        const [before, gone] = [expected.length, { from: from ?? -Infinity, to: to ?? Infinity }];
        expected = expected.filter(({ ts }) => ts < gone.from || ts >= gone.to);
        assert.equal(await store.delete({ ...device, from, to }), before - expected.length, `seed ${seed}`);
      }
      const left = (await store.range({ ...all, ...device })).map(({ seq }) => seq);
      assert.deepEqual(
        left.sort((a, b) => a - b),
        expected.map(({ seq }) => seq),
        `seed ${seed}`,
      );
    }
  });
}
