import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeviceKey, DeviceRange } from "../../../services/telemetry/reading-store/reading-store.ts";
import { enforceRetention, type RetentionRun, retentionDaysOf } from "../../../services/telemetry/retention.ts";

const DAY = 86_400_000_000;
const NOW = 1000 * DAY;

for (const [what, ofType, ofTenant, byDefault, days] of [
  ["the type's days before the tenant's and the default", 1, 2, 3, 1],
  ["the tenant's where the type says nothing", null, 2, 3, 2],
  ["the tenant's where the registry does not know the device", undefined, 2, 3, 2],
  ["the default where nobody says anything", null, null, 3, 3],
  ["for ever where the default is 0", null, null, 0, undefined],
] as const)
  test(`readings are kept: ${what}`, () => {
    const ofDevices = new Map(ofType === undefined ? [] : [["d", ofType]]);
    assert.equal(retentionDaysOf({ ofTenant, ofDevices, byDefault }, "d"), days);
  });

/** A run over these devices that keeps a record of what it does. */
function runOver(devices: string[], overrides: Partial<RetentionRun> = {}) {
  const keys = devices.map((key): DeviceKey => {
    const [tenantId = "", deviceId = ""] = key.split("/");
    return { tenantId, deviceId };
  });
  const record = { deletions: [] as DeviceRange[], asked: [] as string[], told: [] as unknown[] };
  const run: RetentionRun = {
    readings: {
      devices: async ({ after, limit }) => {
        const first = after ? devices.indexOf(`${after.tenantId}/${after.deviceId}`) + 1 : 0;
        return keys.slice(first, first + limit);
      },
      delete: async (range) => record.deletions.push(range),
    },
    rulesOf: async (tenantId, deviceIds) => {
      record.asked.push(`${tenantId}: ${deviceIds}`);
      return { ofTenant: tenantId === "kept" ? null : 7, ofDevices: new Map([["b", 30]]), byDefault: 0 };
    },
    deleted: async ({ tenantId, deviceId }, to) => {
      record.told.push([`${tenantId}/${deviceId}`, (NOW - to) / DAY]);
    },
    now: () => NOW,
    signal: new AbortController().signal,
    pageSize: 2,
    ...overrides,
  };
  return { record, run };
}

test("each device is looked at once, a page of each tenant by one question, and what is old is deleted", async () => {
  const { record, run } = runOver(["acme/a", "acme/b", "acme/c", "kept/a", "kept/b"]);
  await enforceRetention(run);
  assert.deepEqual(record.asked, ["acme: a,b", "acme: c", "kept: a", "kept: b"]);
  assert.deepEqual(record.deletions, [
    { tenantId: "acme", deviceId: "a", to: NOW - 7 * DAY },
    { tenantId: "acme", deviceId: "b", to: NOW - 30 * DAY },
    { tenantId: "acme", deviceId: "c", to: NOW - 7 * DAY },
    { tenantId: "kept", deviceId: "b", to: NOW - 30 * DAY },
  ]);
  assert.deepEqual(record.told, [
    ["acme/a", 7],
    ["acme/b", 30],
    ["acme/c", 7],
    ["kept/b", 30],
  ]);
});

test("where the rules are not known nothing is deleted", async () => {
  const rulesOf = () => Promise.reject(new Error("the registry is away"));
  const { record, run } = runOver(["acme/a"], { rulesOf });
  await assert.rejects(enforceRetention(run), /away/);
  assert.deepEqual(record.deletions, []);
});

test("a stop ends the run before the next device", async () => {
  const stop = new AbortController();
  const { record, run } = runOver(["acme/a", "acme/b", "acme/c"], { signal: stop.signal });
  run.deleted = async () => stop.abort();
  await enforceRetention(run);
  assert.equal(record.deletions.length, 1);
});
