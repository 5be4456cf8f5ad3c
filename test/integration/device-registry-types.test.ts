import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Context } from "moleculer";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const hints: [string, unknown][] = [];
const note =
  (name: string) =>
  ({ params }: Context) =>
    void hints.push([name, params]);
const listener = {
  name: "listener",
  events: {
    "device-type.changed": note("device-type.changed"),
    "device.config-changed": note("device.config-changed"),
  },
};
const { broker, call, stop } = await startBroker([deviceRegistry, listener], { DEVICE_CONFIG_BYTES_MAX: "1000" });
after(stop);

/** Fields that an error names. */
const fieldsOf = (promise: Promise<unknown>): Promise<string[]> =>
  promise.then(
    () => [],
    ({ data }: { data?: { field: string }[] }) => (data ?? []).map(({ field }) => field),
  );

const boiler = {
  typeId: "boiler",
  telemetrySchema: { type: "object", properties: { "a.b": { type: "number", maximum: 90 } }, required: ["a.b"] },
  metrics: { "a.b": { unit: "Cel", description: "at the outlet" } },
  retentionDays: 30,
};

test("a device type is put, got and listed; each put replaces it, counts and tells edges", async () => {
  hints.length = 0;
  const { typeId, ...content } = boiler;
  const first = await call("device-registry.putType", boiler);
  assert.partialDeepStrictEqual(first, { id: typeId, ...content, version: 1 });
  assert.deepEqual(await call("device-registry.getType", { typeId }), first);
  const second = await call("device-registry.putType", { typeId, retentionDays: 7 });
  const { updatedAt } = second;
  assert.deepEqual(second, { id: typeId, retentionDays: 7, version: 2, updatedAt });
  assert.deepEqual(await call("device-registry.listTypes", {}), { items: [second] });
  assert.deepEqual(hints, Array(2).fill(["device-type.changed", { tenantId: "default", typeId }]));
  assert.deepEqual(await call("device-registry.listTypes", {}, as("acme")), { items: [] });
});

test("types are listed page by page", async () => {
  const tenant = as("types");
  for (const typeId of ["c", "a", "b"]) await call("device-registry.putType", { typeId }, tenant);
  const first = await call("device-registry.listTypes", { limit: 2 }, tenant);
  const { nextCursor: cursor = assert.fail() } = first;
  const second = await call("device-registry.listTypes", { limit: 2, cursor }, tenant);
  assert.equal(second.nextCursor, undefined);
  assert.deepEqual(
    [...first.items, ...second.items].map(({ id }) => id),
    ["a", "b", "c"],
  );
});

test("an edge is given the schema, or null where there is none", async () => {
  await call("device-registry.putType", boiler);
  const found = await call("device-registry.telemetrySchema", { typeId: "boiler" });
  assert.deepEqual(found?.schema, boiler.telemetrySchema);
  assert.equal(await call("device-registry.telemetrySchema", { typeId: "boiler" }, as("acme")), null);
  assert.equal(await call("device-registry.telemetrySchema", { typeId: "Heizung (alt)" }), null);
});

const deep = (levels: number): object => (levels === 0 ? {} : { not: deep(levels - 1) });
const refused: [what: string, definition: object, field: string][] = [
  [
    "a regular expression",
    { telemetrySchema: { properties: { t: { pattern: "(a+)+$" } } } },
    "telemetrySchema/properties/t/pattern",
  ],
  [
    "a schema that is none",
    { telemetrySchema: { properties: { t: { minimum: "1" } } } },
    "telemetrySchema/properties/t/minimum",
  ],
  ["a remote reference", { telemetrySchema: { $ref: "http://example.com/s" } }, "telemetrySchema/$ref"],
  ["deep nesting", { telemetrySchema: deep(30) }, "telemetrySchema"],
  ["nesting beyond all measure", { telemetrySchema: deep(5000) }, "telemetrySchema"],
  ["too many bytes", { telemetrySchema: { description: "x".repeat(70_000) } }, "telemetrySchema"],
  ["no object", { telemetrySchema: [] }, "telemetrySchema"],
  ["a unit that is none", { metrics: { t: { unit: 5 } } }, "metrics.t.unit"],
  ["no days", { retentionDays: 0 }, "retentionDays"],
  ["an unknown field", { schema: {} }, "schema"],
];
for (const [what, definition, field] of refused)
  test(`a device type with ${what} is refused, naming ${field}`, async () => {
    assert.deepEqual(await fieldsOf(broker.call("device-registry.putType", { typeId: "wrong", ...definition })), [
      field,
    ]);
    await assert.rejects(call("device-registry.getType", { typeId: "wrong" }), {
      code: 404,
      type: "DEVICE_TYPE_NOT_FOUND",
    });
  });

test("a type that a device has is not deleted (409), another one is", async () => {
  await call("device-registry.putType", { typeId: "used" });
  await call("device-registry.register", { id: "user", type: "used" });
  await call("device-registry.register", { id: "user", type: "used" }, as("acme"));
  await assert.rejects(call("device-registry.deleteType", { typeId: "used" }), {
    code: 409,
    type: "DEVICE_TYPE_IN_USE",
  });
  await call("device-registry.update", { deviceId: "user", type: null });
  hints.length = 0;
  await call("device-registry.deleteType", { typeId: "used" });
  assert.deepEqual(hints, [["device-type.changed", { tenantId: "default", typeId: "used" }]]);
  await assert.rejects(call("device-registry.deleteType", { typeId: "used" }), { code: 404 });
});

test("readings are kept as the device's type says, else as the tenant does", async () => {
  const tenant = as("retention");
  await call("device-registry.putType", { typeId: "week", retentionDays: 7 }, tenant);
  await call("device-registry.putType", { typeId: "open" }, tenant);
  for (const type of ["week", "open", "undefined"])
    await call("device-registry.register", { id: `of-${type}`, type }, tenant);
  const deviceIds = ["of-week", "of-open", "of-undefined", "nobody"];
  assert.deepEqual(await call("device-registry.retention", { deviceIds }, tenant), {
    items: deviceIds.map((deviceId) => ({ deviceId, retentionDays: deviceId === "of-week" ? 7 : null })),
  });
  assert.deepEqual(await call("device-registry.tenantRetention", {}, tenant), { retentionDays: null });
  assert.deepEqual(await call("device-registry.putSettings", { retentionDays: 90 }, tenant), { retentionDays: 90 });
  assert.deepEqual(await call("device-registry.tenantRetention", {}, tenant), { retentionDays: 90 });
  assert.deepEqual(await call("device-registry.getSettings", {}), { retentionDays: null }, "another tenant's");
  assert.deepEqual(await call("device-registry.putSettings", {}, tenant), { retentionDays: null });
  assert.deepEqual(await fieldsOf(broker.call("device-registry.putSettings", { retentionDays: "x" })), [
    "retentionDays",
  ]);
});

test("a configuration is kept as it was put, its versions count up, and edges are told", async () => {
  await call("device-registry.register", { id: "configured" });
  const of = { deviceId: "configured" };
  await assert.rejects(call("device-registry.getConfig", of), { code: 404, type: "CONFIG_NOT_FOUND" });
  assert.equal(await call("device-registry.config", of), null);
  hints.length = 0;
  const config = { "a.b": { $set: [1, null, "x"] }, rate: 0.1 };
  const first = await call("device-registry.putConfig", { ...of, config });
  assert.deepEqual([first.version, first.config], [1, config]);
  assert.deepEqual(await call("device-registry.getConfig", of), first);
  assert.deepEqual(await call("device-registry.config", of), first);
  assert.equal((await call("device-registry.putConfig", { ...of, config: {} })).version, 2);
  assert.deepEqual(hints, Array(2).fill(["device.config-changed", { tenantId: "default", ...of }]));
  const many = await Promise.all([1, 2, 3, 4].map((n) => call("device-registry.putConfig", { ...of, config: { n } })));
  assert.deepEqual(many.map(({ version }) => version).sort(), [3, 4, 5, 6]);
});

test("a configuration replaces the version that its writer expects, or none (409)", async () => {
  const of = { deviceId: "expected" };
  await call("device-registry.register", { id: "expected" });
  const put = (expectedVersion: number, n: number) =>
    call("device-registry.putConfig", { ...of, config: { n }, expectedVersion });
  const conflict = { code: 409, type: "CONFIG_VERSION_CONFLICT" };
  await assert.rejects(put(1, 0), conflict);
  assert.equal((await put(0, 1)).version, 1);
  await assert.rejects(put(0, 2), conflict);
  const two = await Promise.allSettled([put(1, 3), put(1, 4)]);
  assert.deepEqual(two.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.deepEqual(await fieldsOf(put(1, 5)), ["expectedVersion"]);
  assert.equal((await call("device-registry.getConfig", of)).version, 2);
});

test("a configuration of an unknown device is 404; one that is no object, or too large, names the field", async () => {
  const none = { code: 404, type: "DEVICE_NOT_FOUND" };
  await assert.rejects(call("device-registry.putConfig", { deviceId: "nobody", config: {} }), none);
  await assert.rejects(call("device-registry.getConfig", { deviceId: "configured" }, as("acme")), none);
  assert.equal(await call("device-registry.config", { deviceId: "nobody" }), null);
  for (const config of [[], null, "x", undefined, { x: "ü".repeat(600) }, deep(2000)])
    assert.deepEqual(await fieldsOf(broker.call("device-registry.putConfig", { deviceId: "configured", config })), [
      "config",
    ]);
});

test("a device that is made anew has no configuration", async () => {
  await call("device-registry.delete", { deviceId: "configured" });
  await call("device-registry.register", { id: "configured" });
  assert.equal(await call("device-registry.config", { deviceId: "configured" }), null);
});
