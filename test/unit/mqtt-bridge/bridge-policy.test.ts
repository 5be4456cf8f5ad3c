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
  typeOf: Parameters<typeof bridgePolicy>[0]["typeOf"] = async () => undefined,
) =>
  bridgePolicy({
    ...{ dialects: [other, native], uplink, events, configs, authenticate, typeOf, schemas },
    verify: async () => {},
    recognise: async () => ({ sessionEpoch: 1, status: "active" }),
  });

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

test("a message of a device that a former process authenticated, a will, is held against its type; unasked it is kept as rejected", async () => {
  const schema = { properties: { n: { type: "number", maximum: 9 } } };
  const schemas = new TypeSchemas(async (_tenant, type) => (type === "boiler" ? { schema } : null));
  const will = (n: number) => ({
    ...{ topic: "up", payload: Buffer.from(`{"n":${n}}`), contentType: undefined, messageId: undefined },
    ...{ receivedAt: 1_767_225_600_000_000, sessionEpoch: 7 },
    arrival: () => ({ receivedAt: 1_767_225_600_000_000, packet: "7.1" }),
  });
  const outcome = async (n: number, typeOf: () => Promise<string | undefined>) => {
    const policy = policyWith(undefined, schemas, typeOf);
    const device = policy.identify({ username: "x:d", clientId: "c" }) ?? assert.fail();
    const refusal = await policy.receive(device, will(n));
    return refusal && String(refusal.message);
  };
  assert.equal(await outcome(9, async () => "boiler"), undefined);
  assert.match((await outcome(10, async () => "boiler")) ?? "", /n/);
  assert.equal(await outcome(10, async () => undefined), undefined);
  const away = () => Promise.reject(new Error("nobody answers"));
  assert.match((await outcome(9, away)) ?? "", /device type is not known: nobody answers/);
});
