import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Errors, ServiceBroker } from "moleculer";
import { microsOf } from "../../../lib/instant.ts";
import { telemetry as contract } from "../../../schemas/telemetry.ts";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import telemetry from "../../../services/telemetry/telemetry.service.ts";
import { message } from "../../ports/reading-store/suite/subject.ts";

const folder = mkdtempSync(join(tmpdir(), "readings-action-"));
const readingsFile = join(folder, "readings.db");
const settings = { readingsFile, synchronous: "NORMAL", metricsPerDeviceMax: 1000 };
const broker = new ServiceBroker({ logger: false, validator: false });
/** Stands for the registry: knows one device, which never sent anything. */
const asked: string[] = [];
broker.createService({
  name: "device-registry",
  actions: {
    get(ctx: { params: { deviceId: string }; meta: { tenantId?: string } }) {
      asked.push(`${ctx.meta.tenantId ?? "default"}/${ctx.params.deviceId}`);
      if (ctx.params.deviceId !== "silent")
        throw new Errors.MoleculerClientError("Device not found.", 404, "DEVICE_NOT_FOUND");
      return { id: "silent" };
    },
  },
});
broker.createService({ ...telemetry, settings });

interface Page {
  items: { ts?: string; values?: object; start?: string; end?: string; metrics?: Record<string, object> }[];
  nextCursor?: string;
}
const readings = async (params: object, tenantId = "default"): Promise<Page> => {
  const page = await broker.call<Page, object>("telemetry.readings", params, { meta: { tenantId } });
  contract.actions.readings.result.parse(page);
  return page;
};
/** What a refusal names. */
const refused = (field: string, code: number) => (error: { code: number; data: { field: string }[] }) => {
  assert.deepEqual([error.code, error.data.map((issue) => issue.field)], [code, [field]]);
  return true;
};

before(async () => {
  await broker.start();
  const store = new SqliteReadingStore({ file: readingsFile, synchronous: "NORMAL" });
  const begin = microsOf("2026-01-01T00:00:00Z");
  // One every 10 s for 1,000 s; two of one instant at the end.
  await store.write(
    Array.from({ length: 100 }, (_, n) => message(begin + n * 10_000_000, n, { n, even: n % 2 === 0 })),
  );
  await store.write([message(begin + 990_000_000, 1000, { n: 100 })]);
  await store.write([message(begin + 1, 1, { theirs: true }, { tenantId: "acme", deviceId: "boiler-7" })]);
  await store.close();
});
after(async () => {
  await broker.stop();
  rmSync(folder, { recursive: true });
});

const deviceId = "boiler-7";

test("readings come oldest first, 100 of a page, with their instants in UTC", async () => {
  const page = await readings({ deviceId });
  assert.equal(page.items.length, 100);
  assert.deepEqual(page.items[1], { ts: "2026-01-01T00:00:10.000Z", values: { n: 1, even: false } });
  const next = await readings({ deviceId, cursor: page.nextCursor });
  assert.deepEqual(next, { items: [{ ts: "2026-01-01T00:16:30.000Z", values: { n: 100 } }] });
});

for (const order of ["asc", "desc"] as const) {
  test(`the pages of a list hold each reading once and the last has no cursor, ${order}`, async () => {
    const found: unknown[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await readings({ deviceId, order, limit: "7", ...(cursor ? { cursor } : {}) });
      found.push(...page.items.map(({ values }) => (values as { n: number }).n));
      cursor = page.nextCursor;
      pages++;
    } while (cursor !== undefined);
    const expected = Array.from({ length: 101 }, (_, n) => n);
    assert.deepEqual(found, order === "asc" ? expected : expected.reverse());
    assert.equal(pages, 15);
  });
}

test("a page that holds the last item exactly has no cursor", async () => {
  assert.equal((await readings({ deviceId, limit: 101 })).nextCursor, undefined);
});

test("from is included, to excluded, in any offset", async () => {
  const { items } = await readings({ deviceId, from: "2026-01-01T01:00:10+01:00", to: "2026-01-01T00:00:30Z" });
  assert.deepEqual(
    items.map(({ ts }) => ts),
    ["2026-01-01T00:00:10.000Z", "2026-01-01T00:00:20.000Z"],
  );
});

test("metrics select values, as a list in one text too", async () => {
  const { items } = await readings({ deviceId, metrics: "even,none", limit: 2 });
  assert.deepEqual(
    items.map(({ values }) => values),
    [{ even: true }, { even: false }],
  );
});

test("with an interval the aggregates come, avg, min, max and count unless others are asked for", async () => {
  const { items, nextCursor } = await readings({ deviceId, interval: "PT5M", limit: 1 });
  assert.deepEqual(items, [
    {
      start: "2026-01-01T00:00:00.000Z",
      end: "2026-01-01T00:05:00.000Z",
      metrics: { n: { avg: 14.5, min: 0, max: 29, count: 30 }, even: { avg: 0.5, min: 0, max: 1, count: 30 } },
    },
  ]);
  const next = await readings({ deviceId, interval: "PT5M", limit: 1000, cursor: nextCursor });
  assert.deepEqual(
    next.items.map(({ start }) => start?.slice(14, 19)),
    ["05:00", "10:00", "15:00"],
  );
  assert.equal(next.nextCursor, undefined);
  const last = await readings({
    deviceId,
    interval: "PT5M",
    order: "desc",
    limit: 1,
    metrics: "n",
    aggregate: "last,sum",
  });
  assert.deepEqual(last.items[0]?.metrics, { n: { last: 100, sum: 1045 } });
});

for (const [what, params, field] of [
  ["aggregate without interval", { aggregate: "avg" }, "aggregate"],
  ["an interval of months and days", { interval: "P1M1D" }, "interval"],
  ["an interval below a second", { interval: "PT0.1S" }, "interval"],
  ["an unknown function", { interval: "PT1M", aggregate: ["median"] }, "aggregate.0"],
  ["a from that is beyond the instants", { from: "9999-01-01T00:00:00Z" }, "from"],
  ["a to that is beyond the instants", { to: "9999-01-01T00:00:00Z" }, "to"],
  ["a from without an offset", { from: "2026-01-01T00:00:00" }, "from"],
  ["a to before from", { from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }, "to"],
  ["a limit of zero", { limit: 0 }, "limit"],
  ["a limit beyond the page", { limit: 1001 }, "limit"],
  ["an unknown parameter", { form: "2026-01-01T00:00:00Z" }, "form"],
] as const) {
  test(`${what} is refused, naming ${field}`, () =>
    assert.rejects(readings({ deviceId, ...params }), refused(field, 422)));
}

test("a cursor of another query is refused, naming cursor", async () => {
  const { nextCursor: cursor } = await readings({ deviceId, limit: 1 });
  for (const other of [
    { deviceId: "boiler-8" },
    { order: "desc" },
    { from: "2026-01-01T00:00:00Z" },
    { to: "2027-01-01T00:00:00Z" },
    { metrics: "n" },
    { interval: "PT1M" },
    { cursor: "nonsense" },
  ])
    await assert.rejects(readings({ deviceId, limit: 1, cursor, ...other }), refused("cursor", 400));
  await assert.rejects(readings({ deviceId, limit: 1, cursor }, "acme"), refused("cursor", 400));
  assert.equal((await readings({ deviceId, limit: 50, cursor })).items.length, 50);
});

test("a tenant sees its own device of that id only", async () => {
  const { items } = await readings({ deviceId }, "acme");
  assert.deepEqual(items, [{ ts: "2026-01-01T00:00:00.000001Z", values: { theirs: true } }]);
});

test("the registry is asked only where nothing was ever stored, and what it does not know is 404", async () => {
  asked.length = 0;
  assert.deepEqual(await readings({ deviceId, from: "2030-01-01T00:00:00Z" }), { items: [] });
  assert.deepEqual(asked, []);
  assert.deepEqual(await readings({ deviceId: "silent" }), { items: [] });
  assert.deepEqual(await readings({ deviceId: "silent", interval: "PT1M" }, "acme"), { items: [] });
  await assert.rejects(readings({ deviceId: "unknown" }), { code: 404, type: "DEVICE_NOT_FOUND" });
  assert.deepEqual(asked, ["default/silent", "acme/silent", "default/unknown"]);
});
