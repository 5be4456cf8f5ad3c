import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import type { TelemetryRejected } from "../../schemas/telemetry.ts";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import mqttBridge from "../../services/mqtt-bridge/mqtt-bridge.service.ts";
import rejectedMessages from "../../services/telemetry/consumers/rejected.service.ts";
import store from "../../services/telemetry/consumers/store.service.ts";
import telemetry from "../../services/telemetry/telemetry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { broker, call, stop } = await startBroker([deviceRegistry, mqttBridge, rejectedMessages, store, telemetry]);
after(stop);

const WAIT = { timeout: 15_000 };
for (const tenant of ["one", "two", "three", "four", "five", "six", "seven"])
  await call("device-registry.register", { id: "boiler-7" }, as(tenant));

async function reject(t: TestContext, tenantId: string, rejectionId: string, rest: Partial<TelemetryRejected> = {}) {
  const rejected: TelemetryRejected = {
    ...{ tenantId, deviceId: "boiler-7", rejectionId, receivedAt: 1_767_225_600_000_000 },
    ...{ topic: "devices/me/telemetry", reason: "t: must be a number, boolean or text" },
    payload: Buffer.from('{"t":null}').toString("base64"),
    ...rest,
  };
  await broker.publish("telemetry.rejected", rejected, { key: `${tenantId}/boiler-7` });
  await t.waitFor(() => call("rejected-messages.get", { rejectionId }, as(tenantId)), WAIT);
}

const readings = async (tenantId: string) =>
  (await call("telemetry.readings", { deviceId: "boiler-7" }, as(tenantId))).items.map((item) =>
    "values" in item ? item.values : undefined,
  );

test("a tenant gets, re-drives and discards its own only", async (t) => {
  await reject(t, "one", "r1");
  for (const action of ["get", "redrive", "discard"] as const)
    await assert.rejects(call(`rejected-messages.${action}`, { rejectionId: "r1" }, as("two")), {
      code: 404,
      type: "REJECTED_MESSAGE_NOT_FOUND",
    });
  const bulk = { deviceId: "boiler-7" };
  assert.deepEqual(await call("rejected-messages.redriveMany", bulk, as("two")), {
    redriven: 0,
    failed: [],
    more: false,
  });
  assert.deepEqual(await call("rejected-messages.discardMany", bulk, as("two")), { discarded: 0, more: false });
  assert.equal((await call("rejected-messages.get", { rejectionId: "r1" }, as("one"))).rejectionId, "r1");
});

test("what is re-driven is the tenant's whose message it was", async (t) => {
  await reject(t, "three", "r2");
  await call("rejected-messages.redrive", { rejectionId: "r2", payload: { t: 3 } }, as("three"));
  await t.waitFor(async () => assert.deepEqual(await readings("three"), [{ t: 3 }]), WAIT);
  assert.deepEqual(await readings("one"), []);
});

test("several readings, in the native form, take the place of one message", async (t) => {
  await reject(t, "four", "r3", { contentType: "application/cbor" });
  const payload = [{ t: 1 }, { ts: "2026-01-02T00:00:00Z", values: { t: 2 } }];
  await call("rejected-messages.redrive", { rejectionId: "r3", payload }, as("four"));
  await t.waitFor(async () => assert.deepEqual(await readings("four"), [{ t: 1 }, { t: 2 }]), WAIT);
});

test("in bulk what means something by now is re-driven, the rest stays with its reason", async (t) => {
  const good = Buffer.from('{"t":5}').toString("base64");
  for (const [id, payload] of [
    ["g1", good],
    ["b1", "ew=="],
    ["g2", good],
  ] as const)
    await reject(t, "five", id, { payload, receivedAt: 1_767_225_600_000_000 + Number(id[1]) });
  const outcome = await call("rejected-messages.redriveMany", { before: "2026-02-01T00:00:00Z" }, as("five"));
  assert.deepEqual(
    [outcome.redriven, outcome.failed.map(({ id, code }) => [id, code])],
    [2, [["b1", "VALIDATION_ERROR"]]],
  );
  await t.waitFor(async () => assert.deepEqual(await readings("five"), [{ t: 5 }, { t: 5 }]), WAIT);
  assert.deepEqual(await call("rejected-messages.discardMany", { reason: "another" }, as("five")), {
    discarded: 0,
    more: false,
  });
  assert.deepEqual(await call("rejected-messages.discardMany", { deviceId: "boiler-7", limit: 1 }, as("five")), {
    discarded: 1,
    more: false,
  });
});

test("a message whose re-drive cannot be stored stays", async (t) => {
  await reject(t, "six", "r6");
  const publish = t.mock.method(broker, "publish", () =>
    Promise.reject(Object.assign(new Error("full"), { code: 429, type: "CHANNEL_FULL" })),
  );
  await assert.rejects(call("rejected-messages.redrive", { rejectionId: "r6", payload: { t: 1 } }, as("six")), {
    code: 429,
  });
  publish.mock.restore();
  assert.equal((await call("rejected-messages.get", { rejectionId: "r6" }, as("six"))).rejectionId, "r6");
});

test("a payload of no native form is refused, naming it", async (t) => {
  await reject(t, "seven", "r7");
  for (const payload of ["text", 5, null])
    await assert.rejects(
      call("rejected-messages.redrive", { rejectionId: "r7", payload: payload as never }, as("seven")),
      {
        code: 422,
        type: "VALIDATION_ERROR",
      },
    );
  await assert.rejects(call("rejected-messages.get", { rejectionId: "no/id" }, as("seven")), { code: 422 });
});

test("what the device's type does not allow is refused again, and a device that is gone is 404", async (t) => {
  const telemetrySchema = {
    type: "object",
    properties: { t: { type: "number", maximum: 100 } },
    additionalProperties: false,
  };
  await call("device-registry.putType", { typeId: "boiler", telemetrySchema }, as("eight"));
  await call("device-registry.register", { id: "boiler-7", type: "boiler" }, as("eight"));
  await reject(t, "eight", "r8");
  const redrive = (payload: { t: number }) =>
    call("rejected-messages.redrive", { rejectionId: "r8", payload }, as("eight"));
  await assert.rejects(redrive({ t: 101 }), { code: 422, type: "VALIDATION_ERROR" });
  await redrive({ t: 99 });
  await t.waitFor(async () => assert.deepEqual(await readings("eight"), [{ t: 99 }]), WAIT);
  await reject(t, "nine", "r9");
  await assert.rejects(call("rejected-messages.redrive", { rejectionId: "r9", payload: { t: 1 } }, as("nine")), {
    code: 404,
    type: "DEVICE_NOT_FOUND",
  });
});
