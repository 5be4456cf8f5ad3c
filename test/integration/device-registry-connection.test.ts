import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Context } from "moleculer";
import { openDocumentStore } from "../../lib/document-store.ts";
import type { DeviceEvent } from "../../schemas/device-events.ts";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { broker, call, stop, folder } = await startBroker([deviceRegistry], { CONNECTION_GRACE_SECONDS: "1" });
after(stop);

type Kind<E = DeviceEvent> = E extends DeviceEvent ? Omit<E, "tenantId" | "deviceId" | "at"> : never;
const publish = (deviceId: string, event: Kind, at = Date.now() * 1000, tenantId = "default") =>
  broker.publish("device.events", { tenantId, deviceId, at, ...event } as DeviceEvent, {
    key: `${tenantId}/${deviceId}`,
  });
const get = (deviceId: string) => call("device-registry.get", { deviceId });
const connected = { kind: "connected", keepAliveSeconds: 60, protocol: "mqtt" } as const;

/** A device that has opened as many sessions. */
async function device(id: string, sessions: number): Promise<void> {
  await call("device-registry.register", { id });
  const { secret } = await call("device-registry.issueCredential", { deviceId: id });
  for (let n = 0; n < sessions; n++)
    await call("device-registry.authenticate", { tenantId: "default", deviceId: id, secret });
}

test("what edges see of a device is its connection and reported status", async (t) => {
  await device("d", 2);
  assert.equal((await get("d")).connection, undefined);
  await publish("d", { sessionEpoch: 1, ...connected });
  await publish("d", { sessionEpoch: 1, kind: "status", status: { "fw.version": "1.2", $raw: [1] } });
  await publish("d", { sessionEpoch: 2, ...connected });
  await publish("d", { sessionEpoch: 1, kind: "disconnected", reason: "taken-over" });
  await publish("d", { sessionEpoch: 2, kind: "heartbeat" });
  await t.waitFor(
    async () =>
      assert.partialDeepStrictEqual(await get("d"), {
        connection: { sessionEpoch: 2, connected: true, keepAliveSeconds: 60, protocol: "mqtt" },
        reportedStatus: { status: { "fw.version": "1.2", $raw: [1] } },
        status: "active",
      }),
    { timeout: 10_000 },
  );
  const listed = (await call("device-registry.list", {})).items.find(({ id }) => id === "d");
  assert.equal(listed?.connection?.connected, true);
  assert.equal(listed?.reportedStatus, undefined);
  await publish("d", { sessionEpoch: 2, kind: "disconnected", reason: "client" });
  await t.waitFor(
    async () => assert.partialDeepStrictEqual((await get("d")).connection, { connected: false, reason: "client" }),
    { timeout: 10_000 },
  );
});

test("a device with two connections stays connected when one ends, also in lists and after other changes", async (t) => {
  await device("two", 2);
  for (const sessionEpoch of [1, 2]) await publish("two", { sessionEpoch, ...connected });
  await publish("two", { sessionEpoch: 2, kind: "disconnected", reason: "client" });
  const is = (expected: object) =>
    t.waitFor(async () => assert.partialDeepStrictEqual((await get("two")).connection, expected), { timeout: 10_000 });
  await is({ sessionEpoch: 1, connected: true });
  await call("device-registry.update", { deviceId: "two", name: "Two" });
  assert.deepEqual(
    (await call("device-registry.list", { connected: "true", q: "two" })).items.map(({ id }) => id),
    ["two"],
  );
  await publish("two", { sessionEpoch: 1, kind: "disconnected", reason: "network" });
  await is({ sessionEpoch: 2, connected: false, reason: "client" });
});

test("devices are listed by whether they are connected now; silence counts as not", async (t) => {
  for (const id of ["c-on", "c-off", "c-silent", "c-never"]) await device(id, 1);
  const ids = async (value: "true" | "false") =>
    (await call("device-registry.list", { connected: value, q: "c-" })).items.map(({ id }) => id);
  await publish("c-on", { sessionEpoch: 1, ...connected });
  await publish("c-off", { sessionEpoch: 1, ...connected });
  await publish("c-off", { sessionEpoch: 1, kind: "disconnected", reason: "network" });
  await publish("c-silent", { sessionEpoch: 1, ...connected }, (Date.now() - 92_000) * 1000);
  await t.waitFor(async () => assert.equal((await get("c-silent")).connection?.reason, "keep-alive"), {
    timeout: 10_000,
  });
  assert.deepEqual(await ids("true"), ["c-on"]);
  assert.deepEqual(await ids("false"), ["c-never", "c-off", "c-silent"]);
});

test("events of unknown devices and of other tenants' change nothing and hold nothing up", async (t) => {
  await device("known", 1);
  await publish("nobody", { sessionEpoch: 1, ...connected });
  await publish("known", { sessionEpoch: 1, ...connected }, undefined, "acme");
  await publish("known", { sessionEpoch: 5, ...connected });
  await device("last", 1);
  await publish("last", { sessionEpoch: 1, ...connected });
  await t.waitFor(async () => assert.equal((await get("last")).connection?.connected, true), { timeout: 10_000 });
  assert.equal((await get("known")).connection, undefined);
});

test("a change of a device keeps its connection", async (t) => {
  await device("kept", 1);
  await publish("kept", { sessionEpoch: 1, ...connected });
  await t.waitFor(async () => assert.ok((await get("kept")).connection), { timeout: 10_000 });
  const changed = await call("device-registry.update", { deviceId: "kept", name: "Kept" });
  assert.equal(changed.connection?.connected, true);
});

test("a deletion that was cut off is invisible, and finished at the next start", async (t) => {
  const documents = await openDocumentStore({ file: `${folder}/documents.db`, synchronous: "NORMAL" });
  const raw = documents.collection<{ _id: string }>("devices");
  await device("cut", 1);
  const { secret } = await call("device-registry.issueCredential", { deviceId: "cut" });
  await call("device-registry.putConfig", { deviceId: "cut", config: {} });
  await call("device-registry.register", { id: "cut" }, as("acme"));
  await raw.updateOne({ _id: "default/cut" }, { $set: { deleting: { at: new Date() } } });

  await assert.rejects(get("cut"), { code: 404 });
  await assert.rejects(call("device-registry.update", { deviceId: "cut", name: "x" }), { code: 404 });
  await assert.rejects(call("device-registry.issueCredential", { deviceId: "cut" }), { code: 404 });
  await assert.rejects(call("device-registry.authenticate", { tenantId: "default", deviceId: "cut", secret }), {
    code: 401,
  });
  assert.deepEqual((await call("device-registry.list", { q: "cut" })).items, []);

  await broker.destroyService("device-registry");
  broker.createService(deviceRegistry);
  await broker.waitForServices("device-registry");
  await t.waitFor(async () => assert.equal(await raw.findOne({ _id: "default/cut" }), null), { timeout: 10_000 });
  assert.equal(await documents.collection("device-configs").countDocuments(), 0);
  await call("device-registry.get", { deviceId: "cut" }, as("acme"));
  await documents.close();
});

test("a deletion with its readings waits for them, is finished by the next sweep, and holds up no other", async (t) => {
  const documents = await openDocumentStore({ file: `${folder}/documents.db`, synchronous: "NORMAL" });
  t.after(() => documents.close());
  const raw = documents.collection<{ _id: string }>("devices");
  const asked: unknown[] = [];
  for (const deviceId of ["with", "without"]) await device(deviceId, 1);

  // There is no telemetry yet: the device is gone for callers, and the deletion is not done.
  await assert.rejects(call("device-registry.delete", { deviceId: "with", readings: "delete" }), { code: 404 });
  await assert.rejects(get("with"), { code: 404, type: "DEVICE_NOT_FOUND" });
  await raw.updateOne({ _id: "default/without" }, { $set: { deleting: { at: new Date() } } });
  await broker.destroyService("device-registry");
  broker.createService(deviceRegistry);
  await broker.waitForServices("device-registry");
  await t.waitFor(async () => assert.equal(await raw.findOne({ _id: "default/without" }), null), { timeout: 10_000 });
  assert.ok(await raw.findOne({ _id: "default/with" }));

  broker.createService({
    name: "telemetry",
    actions: {
      deleteReadings(ctx) {
        asked.push([ctx.params, (ctx.meta as { tenantId?: string }).tenantId]);
        return { deleted: 1 };
      },
    },
  });
  await broker.waitForServices("telemetry");
  for (const name of ["rejected-messages", "dead-letters"]) {
    // Rejected messages and dead letters are what it sent, too.
    await assert.rejects(call("device-registry.delete", { deviceId: "with" }), { code: 404 });
    assert.ok(await raw.findOne({ _id: "default/with" }));
    broker.createService({ name, actions: { forget: (ctx: Context) => void asked.push([name, ctx.params]) } });
    await broker.waitForServices(name);
  }
  asked.length = 0;
  // A former wish holds: those that are half deleted are no use to anybody.
  await call("device-registry.delete", { deviceId: "with" });
  assert.deepEqual(asked, [
    [{ deviceId: "with" }, "default"],
    ["rejected-messages", { deviceId: "with" }],
    ["dead-letters", { deviceId: "with" }],
  ]);
  assert.equal(await raw.findOne({ _id: "default/with" }), null);
});

test("a deletion that was begun is finished by asking again", async () => {
  const documents = await openDocumentStore({ file: `${folder}/documents.db`, synchronous: "NORMAL" });
  const raw = documents.collection<{ _id: string }>("devices");
  await call("device-registry.register", { id: "again" });
  await raw.updateOne({ _id: "default/again" }, { $set: { deleting: { at: new Date() } } });
  await assert.rejects(call("device-registry.register", { id: "again" }), { code: 409 });
  await call("device-registry.delete", { deviceId: "again" });
  assert.equal(await raw.findOne({ _id: "default/again" }), null);
  await call("device-registry.register", { id: "again" });
  await documents.close();
});
