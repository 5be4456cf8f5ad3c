import assert from "node:assert/strict";
import type { Test } from "../../known-divergences.ts";
import { all, DEVICE, FUNCTIONS, message, type OpenStore, SECOND, T0 } from "./subject.ts";

export function writing(open: OpenStore, test: Test): void {
  test("a second write of a reading changes nothing and is counted as a duplicate", async (t) => {
    const { store } = await open(t);
    assert.deepEqual(await store.write([message(T0, 1, { a: 1 }), message(T0 + 1, 2, { a: 2 })]), {
      stored: 2,
      duplicates: 0,
      refused: [],
    });
    assert.deepEqual(await store.write([message(T0, 1, { a: 99 }), message(T0 + 2, 3, { a: 3 })]), {
      stored: 1,
      duplicates: 1,
      refused: [],
    });
    assert.deepEqual(
      (await store.range(all)).map((reading) => reading.values),
      [{ a: 1 }, { a: 2 }, { a: 3 }],
    );
  });

  test("a reading that is twice in one batch is stored once", async (t) => {
    const { store } = await open(t);
    const twice = message(T0, 1, { a: 1 });
    assert.deepEqual(await store.write([twice, twice]), { stored: 1, duplicates: 1, refused: [] });
    assert.equal((await store.range(all)).length, 1);
  });

  test("two readings of one instant and different seq are two", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 2, { a: "second" }), message(T0, 1, { a: "first" })]);
    assert.deepEqual(await store.range(all), [
      { ts: T0, seq: 1, values: { a: "first" } },
      { ts: T0, seq: 2, values: { a: "second" } },
    ]);
  });

  test("the same device id in two tenants is two devices", async (t) => {
    const { store } = await open(t);
    const other = { tenantId: "acme", deviceId: DEVICE.deviceId };
    await store.write([message(T0, 1, { a: 1, b: 1 }), message(T0, 1, { b: 2 }, other)]);
    assert.deepEqual((await store.range(all))[0]?.values, { a: 1, b: 1 });
    assert.deepEqual((await store.range({ ...all, ...other }))[0]?.values, { b: 2 });
    assert.deepEqual(await store.range({ ...all, tenantId: "third" }), []);
    assert.equal(await store.has(DEVICE), true);
    assert.equal(await store.has({ ...DEVICE, tenantId: "third" }), false);
  });

  test("an empty batch stores nothing", async (t) => {
    const { store } = await open(t);
    assert.deepEqual(await store.write([]), { stored: 0, duplicates: 0, refused: [] });
    assert.equal(await store.has(DEVICE), false);
  });

  test("readings are there after the store was opened again, and still known as duplicates", async (t) => {
    const { store, reopen } = await open(t);
    await store.write([message(T0, 1, { a: 1 })]);
    const again = await reopen();
    assert.deepEqual(await again.write([message(T0, 1, { a: 1 }), message(T0, 2, { b: true, a: 2 })]), {
      stored: 1,
      duplicates: 1,
      refused: [],
    });
    assert.deepEqual(
      (await again.range(all)).map((reading) => reading.values),
      [{ a: 1 }, { a: 2, b: true }],
    );
  });

  test("a batch with a reading that cannot be stored is refused whole, and nothing of it is remembered", async (t) => {
    const { store } = await open(t);
    const other = { tenantId: "default", deviceId: "other" };
    await store.write([message(T0, 1, { a: 1 })]);
    const poison = message(T0, 9, { bad: Number.NaN });
    await assert.rejects(store.write([message(T0 + 1, 2, { a: 2, b: 2 }), message(T0, 1, { x: 1 }, other), poison]), {
      name: "ReadingRefusedError",
      type: "READING_REFUSED",
      retryable: false,
      message: /boiler-7.*metric "bad"/,
    });
    assert.equal(await store.has(other), false);
    // The places given to `b` and to the device `other` are gone: were they remembered, values would change their names.
    await store.write([
      message(T0 + 1, 2, { c: "c", b: "b" }),
      message(T0, 1, { y: "y" }, { ...other, deviceId: "third" }),
    ]);
    await store.write([message(T0, 1, { x: "x", y: "y" }, other)]);
    assert.deepEqual(
      (await store.range(all)).map((reading) => reading.values),
      [{ a: 1 }, { b: "b", c: "c" }],
    );
    assert.deepEqual((await store.range({ ...all, ...other }))[0]?.values, { x: "x", y: "y" });
  });

  for (const [field, reading] of Object.entries({
    ts: { ts: 1.5, seq: 1, values: { a: 1 } },
    seq: { ts: T0, seq: 2 ** 53, values: { a: 1 } },
    'metric "infinite"': { ts: T0, seq: 1, values: { infinite: Infinity } },
    'metric "object"': { ts: T0, seq: 1, values: { object: {} as never } },
    'metric "null"': { ts: T0, seq: 1, values: { null: null as never } },
  })) {
    test(`a reading is refused, naming the field, for ${field}`, async (t) => {
      const { store } = await open(t);
      const batch = [{ ...message(T0, 1, {}), readings: [reading] }];
      await assert.rejects(store.write(batch), (error: { type: string; data: { field: string } }) => {
        assert.deepEqual([error.type, error.data.field], ["READING_REFUSED", field]);
        return true;
      });
      assert.deepEqual(await store.range(all), []);
    });
  }

  test("a reading with one metric more than its device may have is left out and handed back, naming it; the others go on", async (t) => {
    const { store } = await open(t, { metricsPerDeviceMax: 20 });
    const names = Array.from({ length: 20 }, (_, index) => `m${index}`);
    await store.write([message(T0, 1, Object.fromEntries(names.map((name) => [name, 1])))]);
    const wide = Array.from({ length: 50 }, (_, index) => message(T0 + index, 9, { m3: 1, [`too many ${index}`]: 1 }));
    const { refused, ...counts } = await store.write([...wide, message(T0, 3, { m0: 3 })]);
    assert.deepEqual(counts, { stored: 1, duplicates: 0 });
    assert.deepEqual(
      refused.map(({ message, reading }) => [message, reading]),
      wide.map((one) => [one, one.readings[0]]),
    );
    assert.match(refused[0]?.reason ?? "", /metric "too many 0" .* 20 /);
    assert.deepEqual(await store.write([message(T0, 2, { m3: 1, m19: 2 })]), { stored: 1, duplicates: 0, refused: [] });
    await store.write([message(T0, 1, { "another device's": 1 }, { ...DEVICE, deviceId: "other" })]);
  });

  test("a reading that is left out leaves none of its metrics behind, which others may bring", async (t) => {
    const { store, reopen } = await open(t, { metricsPerDeviceMax: 3 });
    await store.write([message(T0, 1, { a: 1, b: 1 })]);
    const { refused } = await store.write([message(T0, 2, { c: 2, d: 2 }), message(T0, 3, { d: 3 })]);
    assert.match(refused[0]?.reason ?? "", /metric "d" /);
    assert.equal(refused.length, 1);
    assert.deepEqual(await (await reopen()).metrics(DEVICE), ["a", "b", "d"]);
  });

  test("after close every method says that the engine is unavailable", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 1, { a: 1 })]);
    await store.close();
    await store.close();
    const unavailable = { name: "EngineUnavailableError", outage: true };
    await assert.rejects(store.write([message(T0, 2, { a: 1 })]), unavailable);
    await assert.rejects(store.range(all), unavailable);
    await assert.rejects(store.has(DEVICE), unavailable);
    await assert.rejects(store.metrics(DEVICE), unavailable);
    await assert.rejects(store.newest(DEVICE), unavailable);
    await assert.rejects(store.delete(DEVICE), unavailable);
    await assert.rejects(store.devices({ limit: 1 }), unavailable);
    await assert.rejects(store.aggregate({ ...all, interval: { micros: SECOND }, functions: FUNCTIONS }), unavailable);
  });
}
