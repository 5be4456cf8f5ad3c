import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import type { ChannelBroker } from "../../lib/channels/middlewares.ts";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import latest from "../../services/telemetry/consumers/latest.service.ts";
import store from "../../services/telemetry/consumers/store.service.ts";
import telemetry from "../../services/telemetry/telemetry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { broker, call, lag, stop } = await startBroker([deviceRegistry, store, latest, telemetry], {
  METRICS_PER_DEVICE_MAX: "300",
});
after(stop);
before(async () => {
  for (const tenant of ["default", "acme"])
    for (const id of ["boiler-7", "silent", "writer", "deleted", "late"])
      await call("device-registry.register", { id }, as(tenant));
});

const write = (deviceId: string, readings: unknown[], tenant = "default") =>
  call("telemetry.write", { deviceId, readings }, as(tenant));
const stored = async (deviceId: string, tenant = "default") => {
  const { items } = await call("telemetry.readings", { deviceId, limit: 1000 }, as(tenant));
  return items.map((item) => ("ts" in item ? [item.ts, item.values] : []));
};
const latestOf = async (deviceId: string, tenant = "default") =>
  (await call("telemetry-latest.get", { deviceId }, as(tenant))).metrics;
/** Waits until the consumers have taken what was written. */
const eventually = (t: TestContext, check: () => Promise<void>) => t.waitFor(check, { timeout: 5000 });

const refused =
  (field: string, code = 422) =>
  (error: { code: number; data: { field: string }[] }) => {
    assert.deepEqual([error.code, error.data.map((issue) => issue.field)], [code, [field]]);
    return true;
  };

test("readings written by REST are stored like those of a device: times, ids, equal ones once", async (t) => {
  const at = "2026-01-01T00:00:00.000Z";
  const { accepted } = await write("writer", [
    { ts: at, values: { a: 1, on: true, text: "x" } },
    { ts: at, values: { a: 1, on: true, text: "x" } },
    { ts: at, values: { a: 2 }, id: 1 },
    { ts: at, values: { a: 2 }, id: 2 },
    { ts: 1_767_225_601, values: { a: 3 } },
  ]);
  assert.equal(accepted, 5);
  await write("writer", [{ ts: at, values: { a: 99 }, id: 2 }]);
  await write("writer", [{ ts: "2026-01-02T00:00:00Z", values: { end: 1 } }]);
  await eventually(t, async () => assert.equal((await stored("writer")).length, 5));
  const rows = await stored("writer");
  assert.deepEqual(rows.map(([, values]) => JSON.stringify(values)).sort(), [
    '{"a":1,"on":true,"text":"x"}',
    '{"a":2}',
    '{"a":2}',
    '{"a":3}',
    '{"end":1}',
  ]);
  assert.equal(rows[3]?.[0], "2026-01-01T00:00:01.000Z");
});

test("a reading without time has that of its arrival, and two requests of it are two", async (t) => {
  const before = Date.now();
  await write("silent", [{ values: { n: 1 } }]);
  await write("silent", [{ values: { n: 1 } }]);
  await eventually(t, async () => assert.equal((await stored("silent")).length, 2));
  for (const [ts] of await stored("silent")) {
    const ms = Date.parse(String(ts));
    assert.ok(ms >= before && ms <= Date.now(), `${ts}`);
  }
});

for (const [what, reading, field] of [
  ["no object", 5, "readings.0"],
  ["no values", { ts: 1_767_225_600 }, "readings.0.values"],
  ["no metric", { values: {} }, "readings.0.values"],
  ["a value that is none", { values: { a: null } }, "readings.0.values.a"],
  ["an object as value", { values: { a: {} } }, "readings.0.values.a"],
  ["a long text", { values: { a: "x".repeat(1025) } }, "readings.0.values.a"],
  ["a metric called __proto__", { values: JSON.parse('{"__proto__":1}') }, "readings.0.values.__proto__"],
  ["a time before 2000", { ts: "1999-12-31T23:59:59Z", values: { a: 1 } }, "readings.0.ts"],
  ["a time that is none", { ts: "yesterday", values: { a: 1 } }, "readings.0.ts"],
  ["an empty id", { id: "", values: { a: 1 } }, "readings.0.id"],
  ["an unknown field", { values: { a: 1 }, at: 5 }, "readings.0.at"],
] as const)
  test(`a reading with ${what} is refused, naming ${field}, and nothing of its request is stored`, async () => {
    await assert.rejects(write("late", [reading, { values: { good: 1 } }]), refused(field));
    assert.deepEqual(await stored("late"), []);
  });

test("no readings, more than 1000, and an unknown device are refused", async () => {
  await assert.rejects(write("writer", []), refused("readings"));
  const many = Array.from({ length: 1001 }, () => ({ values: { a: 1 } }));
  await assert.rejects(write("writer", many), refused("readings"));
  await assert.rejects(write("nobody", [{ values: { a: 1 } }]), { code: 404, type: "DEVICE_NOT_FOUND" });
});

test("a suspended device's readings are refused, and taken when it is active again", async () => {
  await call("device-registry.register", { id: "paused" });
  await call("device-registry.update", { deviceId: "paused", status: "suspended" });
  await assert.rejects(write("paused", [{ values: { a: 1 } }]), { code: 409, type: "DEVICE_NOT_ACTIVE" });
  await call("device-registry.update", { deviceId: "paused", status: "active" });
  assert.deepEqual(await write("paused", [{ values: { a: 1 } }]), { accepted: 1 });
});

test("readings are held against the schema of the device's type, also when it has changed", async (t) => {
  const type = (maximum: number) =>
    call("device-registry.putType", {
      typeId: "boiler",
      telemetrySchema: { type: "object", properties: { temperature: { type: "number", maximum } } },
    });
  await type(100);
  await call("device-registry.register", { id: "typed", type: "boiler" });
  const hot = [{ values: { temperature: 20 } }, { values: { temperature: 120 } }];
  await assert.rejects(write("typed", hot), (error: Error & { data: unknown[] }) => {
    refused("readings.1.values")(error as never);
    assert.match(JSON.stringify(error.data), /temperature: must be <= 100/);
    return true;
  });
  assert.deepEqual(await stored("typed"), []);
  assert.deepEqual(await write("typed", hot.slice(0, 1)), { accepted: 1 });
  await type(200);
  await eventually(t, async () => assert.deepEqual(await write("typed", hot), { accepted: 2 }));
});

test("the latest values are the later-measured ones of each metric, whatever came last; tenants are apart", async (t) => {
  await write("boiler-7", [{ ts: "2026-01-01T00:00:10Z", values: { temperature: 21.5, state: "on" } }]);
  await write("boiler-7", [{ ts: "2026-01-01T00:00:05Z", values: { temperature: 20, pressure: 1.5 } }]);
  await write("boiler-7", [{ ts: "2026-01-01T00:00:20Z", values: { temperature: -3 } }], "acme");
  const expected = {
    temperature: { ts: "2026-01-01T00:00:10.000Z", value: 21.5 },
    state: { ts: "2026-01-01T00:00:10.000Z", value: "on" },
    pressure: { ts: "2026-01-01T00:00:05.000Z", value: 1.5 },
  };
  await eventually(t, async () => assert.deepEqual(await latestOf("boiler-7"), expected));
  await eventually(t, async () =>
    assert.deepEqual(await latestOf("boiler-7", "acme"), {
      temperature: { ts: "2026-01-01T00:00:20.000Z", value: -3 },
    }),
  );
  const { items } = await call("telemetry-latest.list", { deviceIds: "late,boiler-7,nobody" });
  assert.deepEqual(items, [{ deviceId: "boiler-7", metrics: expected }]);
});

test("a registered device that never sent anything has no latest values; one that nobody knows is 404", async () => {
  assert.deepEqual(await latestOf("late"), {});
  await assert.rejects(latestOf("nobody"), { code: 404, type: "DEVICE_NOT_FOUND" });
  await assert.rejects(call("telemetry-latest.list", { deviceIds: "a,b c" }), refused("deviceIds.1"));
  await assert.rejects(call("telemetry-latest.list", {} as never), refused("deviceIds"));
});

test("deleting a range deletes and counts it, the latest values follow, and another tenant's stay", async (t) => {
  const readings = [1, 2, 3].map((n) => ({ ts: `2026-01-0${n}T00:00:00Z`, values: { n, [`day${n}`]: true } }));
  for (const tenant of ["default", "acme"]) await write("deleted", readings, tenant);
  for (const tenant of ["default", "acme"])
    await eventually(t, async () => {
      assert.equal((await stored("deleted", tenant)).length, 3);
      assert.equal((await latestOf("deleted", tenant))["n"]?.value, 3);
    });
  const remove = (params: object) => call("telemetry.deleteReadings", { deviceId: "deleted", ...params });
  assert.deepEqual(await remove({ from: "2026-01-02T01:00:00+01:00" }), { deleted: 2 });
  assert.deepEqual(await remove({ from: "2026-01-02T00:00:00Z" }), { deleted: 0 });
  assert.deepEqual(await stored("deleted"), [["2026-01-01T00:00:00.000Z", { n: 1, day1: true }]]);
  const first = { ts: "2026-01-01T00:00:00.000Z" };
  assert.deepEqual(await latestOf("deleted"), { n: { ...first, value: 1 }, day1: { ...first, value: true } });
  assert.deepEqual(await remove({}), { deleted: 1 });
  assert.deepEqual([await stored("deleted"), await latestOf("deleted")], [[], {}]);
  assert.equal((await stored("deleted", "acme")).length, 3);
  assert.equal((await latestOf("deleted", "acme"))["n"]?.value, 3);
});

test("a deletion takes what was accepted before it, stored or not, and leaves what came after it", async (t) => {
  await call("device-registry.register", { id: "racing" });
  const at = (n: number) => new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString();
  for (let round = 0; round < 20; round++) {
    const [before, kept, after] = [3 * round, 3 * round + 1, 3 * round + 2];
    const first = Array.from({ length: 50 }, (_, n) => ({ ts: at(before), values: { n, before }, id: n }));
    await write("racing", [...first, { ts: at(kept), values: { kept } }]);
    // The consumers have some of it, all of it, or nothing.
    if (round % 3 > 0) await new Promise((resolve) => setTimeout(resolve, 20 * (round % 3)));
    await call("telemetry.deleteReadings", { deviceId: "racing", from: at(before), to: at(kept) });
    await write("racing", [{ ts: at(before), values: { after } }]);
  }
  await eventually(t, async () => {
    for (const group of ["store", "latest"]) assert.equal(await lag("telemetry.received", group), 0);
  });
  assert.deepEqual(
    await stored("racing"),
    Array.from({ length: 20 }, (_, round) => [
      [at(3 * round), { after: 3 * round + 2 }],
      [at(3 * round + 1), { kept: 3 * round + 1 }],
    ]).flat(),
  );
  assert.deepEqual(await latestOf("racing"), {
    after: { ts: at(57), value: 59 },
    kept: { ts: at(58), value: 58 },
  });
});

test("what deletes again on a replay leaves what came after the deletion", async (t) => {
  await call("device-registry.register", { id: "replayed" });
  const ts = "2026-02-01T00:00:00.000Z";
  await write("replayed", [{ ts, values: { before: 1 } }]);
  await call("telemetry.deleteReadings", { deviceId: "replayed" });
  await write("replayed", [{ ts, values: { after: 1 } }]);
  const facts = (broker as unknown as ChannelBroker).facts;
  await eventually(t, async () => assert.equal((await stored("replayed")).length, 1));
  for (const group of ["store", "latest"]) await facts.seek("telemetry.received", group, { position: 0 });
  await eventually(t, async () => {
    for (const group of ["store", "latest"]) assert.equal(await lag("telemetry.received", group), 0);
  });
  assert.deepEqual(await stored("replayed"), [[ts, { after: 1 }]]);
  assert.deepEqual(await latestOf("replayed"), { after: { ts, value: 1 } });
});

test("a deletion with a range that is none is refused, naming the field; of an unknown device it deletes nothing", async () => {
  const remove = (params: object) => call("telemetry.deleteReadings", { deviceId: "deleted", ...params });
  await assert.rejects(remove({ from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }), refused("to"));
  await assert.rejects(remove({ from: "yesterday" }), refused("from"));
  await assert.rejects(remove({ form: "2026-01-02T00:00:00Z" }), refused("form"));
  assert.deepEqual(await remove({ deviceId: "nobody" }), { deleted: 0 });
});
