import assert from "node:assert/strict";
import { after, test } from "node:test";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import latest from "../../services/telemetry/consumers/latest.service.ts";
import store from "../../services/telemetry/consumers/store.service.ts";
import retention from "../../services/telemetry/retention.service.ts";
import telemetry from "../../services/telemetry/telemetry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { call, stop } = await startBroker([deviceRegistry, store, latest, telemetry, retention], {
  RETENTION_DAYS: "10",
  RETENTION_CHECK_SECONDS: "1",
});
after(stop);

const AGES_DAYS = [0.5, 2, 5, 20];
const DAY_MS = 86_400_000;
const acme = as("acme");

/** Ages of the readings that are kept, the youngest first. */
const kept = async (tenant: string, deviceId: string) =>
  (await call("telemetry.readings", { deviceId, order: "desc" }, as(tenant))).items.map((item) =>
    "values" in item ? item.values["days"] : undefined,
  );

test("readings are kept as the registry says: by type, else by the tenant's setting, else as configured", async (t) => {
  await call("device-registry.putType", { typeId: "brief", retentionDays: 1 });
  await call("device-registry.putType", { typeId: "plain" });
  await call("device-registry.putSettings", { retentionDays: 3 }, acme);
  const devices: [tenant: string, deviceId: string, type: string | undefined, days: number][] = [
    ["default", "typed", "brief", 1],
    ["default", "plain", "plain", 10],
    ["default", "untyped", undefined, 10],
    ["acme", "untyped", undefined, 3],
    // A type is its tenant's own.
    ["acme", "typed", "brief", 3],
  ];
  for (const [tenant, id, type] of devices) {
    await call("device-registry.register", { id, ...(type === undefined ? {} : { type }) }, as(tenant));
    const readings = AGES_DAYS.map((days) => ({ ts: Date.now() - days * DAY_MS, values: { days } }));
    await call("telemetry.write", { deviceId: id, readings }, as(tenant));
  }
  for (const [tenant, id, , days] of devices)
    await t.waitFor(
      async () =>
        assert.deepEqual(
          await kept(tenant, id),
          AGES_DAYS.filter((age) => age < days),
          `${tenant}/${id}`,
        ),
      { timeout: 15_000 },
    );

  await call("device-registry.putSettings", { retentionDays: null }, acme);
  assert.deepEqual(await call("device-registry.getSettings", {}, acme), { retentionDays: null });
  await call("device-registry.putSettings", { retentionDays: 1 }, acme);
  await t.waitFor(async () => assert.deepEqual(await kept("acme", "untyped"), [0.5]), { timeout: 15_000 });
  assert.deepEqual(await kept("default", "untyped"), [0.5, 2, 5], "another tenant's");
});
