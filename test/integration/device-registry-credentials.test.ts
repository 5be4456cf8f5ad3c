import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Context } from "moleculer";
import { openDocumentStore } from "../../lib/document-store.ts";
import type { Hints } from "../../schemas/hints.ts";
import { digestOf } from "../../services/device-registry/credential.ts";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const revoked: Hints["device.access-revoked"][] = [];
const listener = {
  name: "listener",
  events: {
    "device.access-revoked": ({ params }: Context<Hints["device.access-revoked"]>) => void revoked.push(params),
  },
};
const { call, stop, folder } = await startBroker([deviceRegistry, listener]);
after(stop);

const REFUSED = { code: 401, type: "CREDENTIAL_REFUSED" };
const connect = (deviceId: string, secret: string, tenantId = "default") =>
  call("device-registry.authenticate", { tenantId, deviceId, secret });
const issue = (deviceId: string) => call("device-registry.issueCredential", { deviceId });

test("each of two credentials opens the next session epoch; another tenant's device has neither", async () => {
  await call("device-registry.register", { id: "two", type: "boiler" });
  await assert.rejects(connect("two", "x"), REFUSED);
  const [first, second] = [await issue("two"), await issue("two")];
  assert.deepEqual(await connect("two", first.secret), {
    tenantId: "default",
    deviceId: "two",
    sessionEpoch: 1,
    credentialId: first.credentialId,
    type: "boiler",
  });
  assert.partialDeepStrictEqual(await connect("two", second.secret), {
    sessionEpoch: 2,
    credentialId: second.credentialId,
  });
  assert.equal((await connect("two", first.secret)).sessionEpoch, 3);
  await assert.rejects(connect("two", first.secret, "acme"), REFUSED);
});

test("a third credential is 409 until one is revoked; of many at once two are made", async () => {
  await call("device-registry.register", { id: "full" });
  const made = await Promise.allSettled([1, 2, 3, 4].map(() => issue("full")));
  const secrets = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  assert.equal(secrets.length, 2);
  await assert.rejects(issue("full"), (error: { code?: number; type?: string; data?: { field: string }[] }) => {
    assert.deepEqual([error.code, error.type, error.data?.[0]?.field], [409, "CREDENTIALS_FULL", "credentials"]);
    return true;
  });
  const { items } = await call("device-registry.listCredentials", { deviceId: "full" });
  assert.deepEqual(
    items,
    secrets.map(({ secret: _, ...credential }) => credential),
  );
  assert.ok(!JSON.stringify(items).includes("digest"));

  const [old, kept] = secrets;
  assert.ok(old && kept);
  revoked.length = 0;
  await call("device-registry.revokeCredential", { deviceId: "full", credentialId: old.credentialId });
  assert.deepEqual(revoked, [{ tenantId: "default", deviceId: "full", credentialId: old.credentialId }]);
  await assert.rejects(connect("full", old.secret), REFUSED);
  await connect("full", kept.secret);
  await assert.rejects(call("device-registry.revokeCredential", { deviceId: "full", credentialId: old.credentialId }), {
    code: 404,
    type: "CREDENTIAL_NOT_FOUND",
  });
  await issue("full");
});

test("credentials of an unknown device, or of another tenant's, are 404", async () => {
  await call("device-registry.register", { id: "ours" });
  const { credentialId } = await issue("ours");
  const none = { code: 404, type: "DEVICE_NOT_FOUND" };
  await assert.rejects(issue("nobody"), none);
  const acme = as("acme");
  await assert.rejects(call("device-registry.issueCredential", { deviceId: "ours" }, acme), none);
  await assert.rejects(call("device-registry.listCredentials", { deviceId: "ours" }, acme), none);
  await assert.rejects(call("device-registry.revokeCredential", { deviceId: "ours", credentialId }, acme), none);
});

test("a suspended device opens no session until it is resumed, and edges are told", async () => {
  await call("device-registry.register", { id: "paused" });
  const { secret } = await issue("paused");
  revoked.length = 0;
  const suspended = await call("device-registry.update", { deviceId: "paused", status: "suspended" });
  assert.equal(suspended.status, "suspended");
  assert.deepEqual(revoked, [{ tenantId: "default", deviceId: "paused" }]);
  await assert.rejects(connect("paused", secret), REFUSED);
  await call("device-registry.update", { deviceId: "paused", status: "active" });
  assert.equal((await connect("paused", secret)).sessionEpoch, 1);
  assert.equal(revoked.length, 1);
});

test("a deleted device opens no session, and edges are told", async () => {
  await call("device-registry.register", { id: "gone" });
  const { secret } = await issue("gone");
  revoked.length = 0;
  await call("device-registry.delete", { deviceId: "gone" });
  assert.deepEqual(revoked, [{ tenantId: "default", deviceId: "gone" }]);
  await assert.rejects(connect("gone", secret), REFUSED);
  await assert.rejects(call("device-registry.delete", { deviceId: "gone" }), { code: 404 });
  await call("device-registry.register", { id: "gone" });
  await assert.rejects(connect("gone", secret), REFUSED, "the next device of that id is another one");
});

/** A device as the version wrote it that knew one credential, and neither status nor connection. */
async function legacyDevice(deviceId: string, secret: string): Promise<void> {
  const documents = await openDocumentStore({ file: `${folder}/documents.db`, synchronous: "NORMAL" });
  await documents.collection<{ _id: string }>("devices").insertOne({
    _id: `default/${deviceId}`,
    tenantId: "default",
    deviceId,
    groups: [],
    tags: [],
    createdAt: new Date(0),
    credential: {
      credentialId: "00000000-0000-4000-8000-000000000001",
      kind: "access-token",
      digest: digestOf(secret),
      createdAt: new Date(0),
    },
    sessionEpoch: 7,
  } as { _id: string });
  await documents.close();
}

test("a device of a former version connects with its credential, gets a second and no third", async () => {
  await legacyDevice("old", "s");
  assert.partialDeepStrictEqual(await call("device-registry.get", { deviceId: "old" }), { status: "active" });
  assert.equal((await connect("old", "s")).sessionEpoch, 8);
  assert.equal((await call("device-registry.listCredentials", { deviceId: "old" })).items.length, 1);
  const second = await issue("old");
  await assert.rejects(issue("old"), { type: "CREDENTIALS_FULL" });
  assert.equal((await connect("old", "s")).sessionEpoch, 9);
  assert.equal((await connect("old", second.secret)).sessionEpoch, 10);
  const { items } = await call("device-registry.listCredentials", { deviceId: "old" });
  assert.deepEqual(
    items.map(({ credentialId }) => credentialId),
    ["00000000-0000-4000-8000-000000000001", second.credentialId],
  );
});

test("a credential of a former version is revoked as any other", async () => {
  await legacyDevice("older", "s");
  const [only] = (await call("device-registry.listCredentials", { deviceId: "older" })).items;
  await call("device-registry.revokeCredential", { deviceId: "older", credentialId: only?.credentialId ?? "" });
  await assert.rejects(connect("older", "s"), REFUSED);
  assert.deepEqual((await call("device-registry.listCredentials", { deviceId: "older" })).items, []);
});
