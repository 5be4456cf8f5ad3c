import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { call, stop, folder } = await startBroker([deviceRegistry]);
after(stop);

test("a registered device is got and listed with what was said of it", async () => {
  const said = {
    id: "boiler-7",
    name: "Boiler",
    type: "boiler",
    groups: ["cellar"],
    tags: { "floor.no": "-1", $x: "1" },
  };
  const device = await call("device-registry.register", said);
  assert.partialDeepStrictEqual(device, said);
  assert.deepEqual(await call("device-registry.get", { deviceId: "boiler-7" }), device);
  assert.deepEqual((await call("device-registry.list", {})).items, [device]);
});

test("a device without an id gets one", async () => {
  const { id } = await call("device-registry.register", {});
  assert.match(id, /^[0-9a-f-]{36}$/);
  await call("device-registry.delete", { deviceId: id });
});

test("an id that is taken is 409, of two at once exactly one is registered", async () => {
  await assert.rejects(call("device-registry.register", { id: "boiler-7" }), { code: 409, type: "DEVICE_EXISTS" });
  const both = await Promise.allSettled([1, 2].map(() => call("device-registry.register", { id: "twice" })));
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

for (const id of ["", "a b", "a/b", "ü", "x".repeat(129), "a#", "a+"]) {
  test(`the id ${JSON.stringify(id.slice(0, 10))} is refused, naming the field`, async () => {
    await assert.rejects(
      call("device-registry.register", { id }),
      (error: { type?: string; data?: { field: string }[] }) => {
        assert.equal(error.type, "VALIDATION_ERROR");
        assert.equal(error.data?.[0]?.field, "id");
        return true;
      },
    );
  });
}

test("lists go page by page, each device once", async () => {
  const tenant = as("pages");
  const ids = Array.from({ length: 25 }, (_, index) => `d${String(index).padStart(2, "0")}`);
  for (const id of ids) await call("device-registry.register", { id }, tenant);
  const seen: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await call("device-registry.list", { limit: 10, ...(cursor ? { cursor } : {}) }, tenant);
    seen.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    if (!cursor) break;
  }
  assert.deepEqual(seen, ids);
});

test("another tenant's device is indistinguishable from none", async () => {
  const other = as("acme");
  const none = { code: 404, type: "DEVICE_NOT_FOUND", message: "Device 'boiler-7' not found." };
  await assert.rejects(call("device-registry.get", { deviceId: "boiler-7" }, other), none);
  await assert.rejects(call("device-registry.delete", { deviceId: "boiler-7" }, other), none);
  await assert.rejects(call("device-registry.issueCredential", { deviceId: "boiler-7" }, other), none);
  assert.deepEqual((await call("device-registry.list", {}, other)).items, []);
  await call("device-registry.register", { id: "boiler-7", name: "theirs" }, other);
  assert.equal((await call("device-registry.get", { deviceId: "boiler-7" })).name, "Boiler");
});

test("no secret is in any file", async () => {
  await call("device-registry.register", { id: "hidden" });
  const { secret } = await call("device-registry.issueCredential", { deviceId: "hidden" });
  const files = readdirSync(folder).filter((name) => name.includes("documents"));
  assert.ok(files.length > 0);
  for (const name of files) assert.equal(readFileSync(join(folder, name)).includes(secret), false, name);
});
