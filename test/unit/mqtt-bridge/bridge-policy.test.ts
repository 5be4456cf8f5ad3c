import assert from "node:assert/strict";
import { test } from "node:test";
import { TypeSchemas } from "../../../lib/readings/type-schemas.ts";
import { bridgePolicy } from "../../../services/mqtt-bridge/bridge-policy.ts";
import { DeviceConfigs } from "../../../services/mqtt-bridge/device-configs.ts";
import { DeviceEvents } from "../../../services/mqtt-bridge/device-events.ts";
import type { Dialect } from "../../../services/mqtt-bridge/dialects/dialect.ts";
import { native } from "../../../services/mqtt-bridge/dialects/native/native.ts";
import { CredentialError } from "../../../services/mqtt-bridge/edge/edge-policy.ts";
import { Uplink } from "../../../services/mqtt-bridge/uplink.ts";

/** A dialect whose devices call themselves `x:{id}` and publish to `up`. */
const other: Dialect = {
  ...native,
  name: "other",
  identify: ({ username }) =>
    username?.startsWith("x:") ? { tenantId: "default", deviceId: username.slice(2) } : undefined,
  uplink: (topic) => (topic === "up" ? "telemetry" : undefined),
  maySubscribe: (filter) => filter === "down",
};

const uplink = new Uplink(async () => {});
const events = new DeviceEvents(
  async () => {},
  (device, message, reason) => uplink.reject(device, message, reason),
);
const configs = new DeviceConfigs({
  fetch: async () => ({ version: 3, config: { interval: 60 } }),
  deliver: async () => {},
  failed: () => {},
});
const policyWith = (
  authenticate: Parameters<typeof bridgePolicy>[0]["authenticate"] = async () => ({ sessionEpoch: 1 }),
  schemas = new TypeSchemas(async () => null),
) => bridgePolicy({ dialects: [other, native], uplink, events, configs, authenticate, schemas });

test("a CONNECT belongs to the first dialect that recognises it, and so do the device's topics", () => {
  const policy = policyWith();
  const [foreign, own] = ["x:d", "d"].map((username) => policy.identify({ username, clientId: "c" }));
  assert.ok(foreign && own);
  assert.deepEqual(
    [foreign, own].map((device) => [
      policy.mayPublish(device, "up"),
      policy.mayPublish(device, "devices/d/telemetry"),
      policy.maySubscribe(device, "down"),
      policy.maySubscribe(device, "devices/d/config"),
    ]),
    [
      [true, false, true, false],
      [false, true, false, true],
    ],
  );
  assert.equal(policy.identify({ username: "no device", clientId: "c" }), undefined);
});

test("the registry is asked for tenant, device and secret, and for nothing else", async () => {
  const asked: unknown[] = [];
  const policy = policyWith(async (credential) => {
    asked.push(credential);
    return { sessionEpoch: 7 };
  });
  const device = policy.identify({ username: "acme/d", clientId: "c" }) ?? assert.fail();
  assert.deepEqual(await policy.authenticate(device, "secret"), { sessionEpoch: 7 });
  assert.deepEqual(asked, [{ tenantId: "acme", deviceId: "d", secret: "secret" }]);
});

for (const type of ["CREDENTIAL_REFUSED", "VALIDATION_ERROR"])
  test(`${type} from the registry is the client's fault`, async () => {
    const cause = Object.assign(new Error("refused"), { type });
    const policy = policyWith(async () => {
      throw cause;
    });
    await assert.rejects(policy.authenticate({ tenantId: "a", deviceId: "d" }, "s"), (error) => {
      assert.ok(error instanceof CredentialError);
      assert.equal(error.cause, cause);
      return true;
    });
  });

for (const type of ["SERVICE_NOT_FOUND", "REQUEST_TIMEOUT", undefined])
  test(`${type ?? "an error without a type"} from the registry is not the client's fault`, async () => {
    const cause = Object.assign(new Error("down"), { type });
    const policy = policyWith(async () => {
      throw cause;
    });
    await assert.rejects(policy.authenticate({ tenantId: "a", deviceId: "d" }, "s"), (error) => error === cause);
  });

test("a subscription to the config topic begins with the configuration, any other with nothing", async () => {
  const policy = policyWith();
  const device = policy.identify({ username: "d", clientId: "c" }) ?? assert.fail();
  const config = await policy.current(device, policy.canonical(device, "devices/me/config"));
  assert.equal(String(config), '{"version":3,"config":{"interval":60}}');
  assert.equal(await policy.current(device, "devices/d/alerts"), undefined);
});
