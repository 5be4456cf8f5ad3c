import assert from "node:assert/strict";
import type { DeviceKey } from "../../../../services/telemetry/reading-store/reading-store.ts";
import type { Test } from "../../known-divergences.ts";
import { DEVICE, message, type OpenStore, T0 } from "./subject.ts";

export function listing(open: OpenStore, test: Test): void {
  test("a device's metrics are those that it ever had, in the order in which they came", async (t) => {
    const { store, reopen } = await open(t);
    assert.deepEqual(await store.metrics(DEVICE), []);
    const names = Array.from({ length: 30 }, (_, n) => `m${(n * 7) % 30}`);
    for (const [n, name] of names.entries()) await store.write([message(T0 - n, 0, { [name]: n, m0: true })]);
    await store.write([message(T0, 0, { theirs: 1 }, { ...DEVICE, tenantId: "acme" })]);
    assert.deepEqual(await store.metrics(DEVICE), names);
    assert.deepEqual(await (await reopen()).metrics(DEVICE), names);
  });

  test("the newest value of each metric is the last by (ts, seq), however far back it lies", async (t) => {
    const { store } = await open(t);
    await store.write([
      message(T0 - 5000, 0, { rare: "text", a: 0 }),
      message(T0 + 5000, 1, { a: 1, b: true }),
      message(T0 + 5000, 2, { a: 2 }),
      ...Array.from({ length: 500 }, (_, n) => message(T0 + n, 0, { a: n, b: n, [`m${n % 40}`]: n })),
    ]);
    const newest = await store.newest(DEVICE);
    assert.deepEqual(newest.get("a"), { ts: T0 + 5000, seq: 2, value: 2 });
    assert.deepEqual(newest.get("b"), { ts: T0 + 5000, seq: 1, value: true });
    assert.deepEqual(newest.get("rare"), { ts: T0 - 5000, seq: 0, value: "text" });
    for (let n = 460; n < 500; n++)
      assert.deepEqual(newest.get(`m${n % 40}`), { ts: T0 + n, seq: 0, value: n }, `m${n % 40}`);
    assert.equal(newest.size, 43);
    assert.deepEqual(await store.newest({ ...DEVICE, tenantId: "acme" }), new Map());
  });

  test("a metric whose readings were all deleted has no newest value", async (t) => {
    const { store } = await open(t);
    await store.write([message(T0, 0, { a: 1, b: 1 }), message(T0 + 1, 0, { b: 2 })]);
    await store.delete({ ...DEVICE, to: T0 + 1 });
    assert.deepEqual(await store.newest(DEVICE), new Map([["b", { ts: T0 + 1, seq: 0, value: 2 }]]));
  });

  test("devices are listed once each, by tenant and id, page by page", async (t) => {
    const { store } = await open(t);
    const devices = ["acme/a", "acme/b", "acme/z", "default/B", "default/a", "default/b", "zoo/a"].map((key) => {
      const [tenantId = "", deviceId = ""] = key.split("/");
      return { tenantId, deviceId };
    });
    for (const device of [...devices].reverse()) await store.write([message(T0, 0, { a: 1 }, device)]);
    const found: DeviceKey[] = [];
    for (let page: DeviceKey[]; ; found.push(...page)) {
      page = await store.devices({ after: found.at(-1), limit: 3 });
      if (page.length === 0) break;
    }
    assert.deepEqual(found, devices);
  });
}
