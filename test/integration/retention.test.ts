import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Errors, type ServiceSchema } from "moleculer";
import latest from "../../services/telemetry/consumers/latest.service.ts";
import store from "../../services/telemetry/consumers/store.service.ts";
import retention from "../../services/telemetry/retention.service.ts";
import telemetry from "../../services/telemetry/telemetry.service.ts";
import { as, startBroker } from "../support/broker.ts";

interface Asking {
  params: { deviceIds: string[] };
  meta: { tenantId: string };
}

/** Stands for the registry: devices named `short…` have a type that keeps a day; tenant `acme` keeps three days. */
const registry = { away: true, asked: 0 };
const deviceRegistry = {
  name: "device-registry",
  actions: {
    get: ({ params }: { params: { deviceId: string } }) => ({ id: params.deviceId, status: "active" }),
    retention({ params }: Asking) {
      registry.asked++;
      if (registry.away) throw new Errors.MoleculerRetryableError("away", 503, "AWAY");
      const days = (id: string) => (id.startsWith("short") ? 1 : null);
      return { items: params.deviceIds.map((deviceId) => ({ deviceId, retentionDays: days(deviceId) })) };
    },
    tenantRetention: ({ meta }: Asking) => ({ retentionDays: meta.tenantId === "acme" ? 3 : null }),
  },
} as unknown as ServiceSchema;

const { broker, call, stop } = await startBroker([deviceRegistry, store, latest, telemetry, retention], {
  RETENTION_DAYS: "10",
  RETENTION_CHECK_SECONDS: "1",
});
after(stop);

const HOURS = [1, 30, 80, 250];
const HOUR_MS = 3_600_000;
const kept = async (tenant: string, deviceId: string) =>
  (await call("telemetry.readings", { deviceId }, as(tenant))).items.map((item) =>
    "values" in item ? item.values["hours"] : undefined,
  );
const figure = (name: string) => {
  const metric = broker.metrics.getMetric(name) as unknown as { get(): { value: number } | null };
  return metric.get()?.value ?? 0;
};

test("readings older than type, tenant or configuration keep them go, by themselves; unknown rules delete nothing", async (t) => {
  const devices = ["default/short", "default/long", "acme/short", "acme/long"].map((key) => key.split("/"));
  for (const [tenant = "", deviceId = ""] of devices) {
    const readings = HOURS.map((hours) => ({
      ts: Date.now() - hours * HOUR_MS,
      values: { hours, [`m${hours}`]: true },
    }));
    await call("telemetry.write", { deviceId, readings }, as(tenant));
  }
  await t.waitFor(async () => assert.equal((await kept("acme", "long")).length, 4), { timeout: 5000 });
  await t.waitFor(() => assert.ok(registry.asked >= 1), { timeout: 5000 });
  for (const [tenant = "", deviceId = ""] of devices)
    assert.deepEqual(await kept(tenant, deviceId), HOURS.toReversed(), "the registry was away");
  assert.equal(figure("telemetry.retention.last.run"), 0);

  registry.away = false;
  await t.waitFor(() => assert.ok(figure("telemetry.retention.last.run") > 0), { timeout: 5000 });
  assert.deepEqual(await kept("default", "short"), [1]);
  assert.deepEqual(await kept("default", "long"), [80, 30, 1]);
  assert.deepEqual(await kept("acme", "short"), [1]);
  assert.deepEqual(await kept("acme", "long"), [30, 1]);
  assert.equal(figure("telemetry.retention.deleted"), 3 + 1 + 3 + 2);
  assert.ok(Date.now() / 1000 - figure("telemetry.retention.last.run") < 60);
  assert.ok(figure("telemetry.retention.duration") > 0);
  const { metrics } = await call("telemetry-latest.get", { deviceId: "short" }, as("acme"));
  assert.deepEqual(Object.keys(metrics).sort(), ["hours", "m1"], "latest values go with their readings");
});

test("a reading that comes late, older than it would be kept, goes with the next run", async (t) => {
  const ts = Date.now() - 300 * HOUR_MS;
  await call("telemetry.write", { deviceId: "late", readings: [{ ts, values: { hours: 300 } }] });
  const before = figure("telemetry.retention.deleted");
  await t.waitFor(() => assert.equal(figure("telemetry.retention.deleted"), before + 1), { timeout: 5000 });
  assert.deepEqual(await kept("default", "late"), []);
  await t.waitFor(
    async () => assert.deepEqual((await call("telemetry-latest.get", { deviceId: "late" })).metrics, {}),
    { timeout: 5000 },
  );
});
