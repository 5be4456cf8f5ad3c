import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ServiceBroker } from "moleculer";
import {
  rejectedMessages as contract,
  type RejectedMessage,
  type TelemetryRejected,
} from "../../../schemas/telemetry.ts";
import rejectedMessages from "../../../services/telemetry/consumers/rejected.service.ts";

const folder = mkdtempSync(join(tmpdir(), "rejected-messages-"));
const broker = new ServiceBroker({ logger: false, validator: false });
const service = broker.createService({
  ...rejectedMessages,
  settings: {
    documentsFile: join(folder, "documents.db"),
    synchronous: "NORMAL",
    rejectedMessagesMax: 5,
    rejectedMessagesPerDeviceMax: 5,
  },
});
const perDevice = (max: number) => Object.assign(service.settings as object, { rejectedMessagesPerDeviceMax: max });
await broker.start();
after(async () => {
  await broker.stop();
  rmSync(folder, { recursive: true });
});

/** The consumer as a channel calls it; the schema's type does not know its part for channels. */
const { facts } = rejectedMessages as unknown as {
  facts: Record<string, { group: string; handler(ctx: { params: TelemetryRejected[] }): Promise<void> }>;
};
const consumer = facts["telemetry.rejected"];
const take = (...batch: TelemetryRejected[]) => consumer?.handler.call(service, { params: batch });

const rejected = (n: number, tenantId: string, deviceId = "boiler-7"): TelemetryRejected => ({
  tenantId,
  deviceId,
  rejectionId: `r${n}`,
  receivedAt: 1_767_225_600_000_000 + n,
  topic: `devices/${deviceId}/telemetry`,
  reason: "values.temperature must be a number, boolean or string",
  payload: Buffer.from(`{"temperature":null,"n":${n}}`).toString("base64"),
});

interface Page {
  items: RejectedMessage[];
  nextCursor?: string;
}
const list = async (tenantId: string, params: object = {}): Promise<Page> => {
  const page = await broker.call<Page, object>("rejected-messages.list", params, { meta: { tenantId } });
  contract.actions.list.result.parse(page);
  return page;
};
const ids = async (tenantId: string, params: object = {}) =>
  (await list(tenantId, params)).items.map(({ rejectionId }) => rejectionId);

test("a rejection is listed as it came, without its tenant", async () => {
  await take(rejected(0, "one"));
  assert.deepEqual((await list("one")).items, [
    {
      rejectionId: "r0",
      deviceId: "boiler-7",
      topic: "devices/boiler-7/telemetry",
      reason: "values.temperature must be a number, boolean or string",
      receivedAt: "2026-01-01T00:00:00.000Z",
      payload: Buffer.from('{"temperature":null,"n":0}').toString("base64"),
    },
  ]);
});

test("an empty payload, topic and reason are kept too", async () => {
  await take({ ...rejected(0, "empty"), payload: "", topic: "", reason: "" });
  const [item] = (await list("empty")).items;
  assert.deepEqual([item?.payload, item?.topic, item?.reason], ["", "", ""]);
});

test("a batch that comes again, and a rejection that is twice in one, are kept once", async () => {
  await take(rejected(1, "again"), rejected(1, "again"), rejected(2, "again"));
  await take(rejected(1, "again"), rejected(2, "again"), rejected(3, "again"));
  assert.deepEqual(await ids("again"), ["r3", "r2", "r1"]);
});

test("the newest are kept, as many as configured, per tenant", async () => {
  for (let n = 0; n < 12; n += 3)
    await take(
      ...[n, n + 1, n + 2].flatMap((one) => [rejected(one, "full"), rejected(one, one < 4 ? "other" : "full")]),
    );
  assert.deepEqual(await ids("full"), ["r11", "r10", "r9", "r8", "r7"]);
  assert.deepEqual(await ids("other"), ["r3", "r2", "r1", "r0"]);
  // An old batch that comes again goes as it came.
  await take(rejected(0, "full"));
  assert.deepEqual(await ids("full"), ["r11", "r10", "r9", "r8", "r7"]);
});

test("pages hold each once, newest first, those of one instant too, for one device or all", async () => {
  const same = (n: number, deviceId: string) => ({ ...rejected(n, "pages", deviceId), receivedAt: 5 + (n >> 1) });
  await take(same(1, "a"), same(2, "b"), same(3, "a"), same(4, "b"), same(5, "a"));
  for (const [params, expected] of [
    [{}, ["r5", "r4", "r3", "r2", "r1"]],
    [{ deviceId: "a" }, ["r5", "r3", "r1"]],
  ] as const) {
    const found: string[] = [];
    for (
      let cursor: string | undefined, page: Page | undefined;
      !page || cursor !== undefined;
      cursor = page.nextCursor
    ) {
      page = await list("pages", { ...params, limit: 2, ...(cursor === undefined ? {} : { cursor }) });
      found.push(...page.items.map(({ rejectionId }) => rejectionId));
    }
    assert.deepEqual(found, expected);
  }
});

test("a cursor of another list is refused, naming cursor", async () => {
  const { nextCursor: cursor } = await list("pages", { limit: 1 });
  for (const refused of [list("pages", { cursor, deviceId: "a" }), list("again", { cursor })])
    await assert.rejects(refused, { code: 400, type: "CURSOR_REFUSED" });
});

test("a device that sends nonsense all the time pushes out its own only", async (t) => {
  perDevice(2);
  t.after(() => perDevice(5));
  await take(rejected(0, "noisy", "quiet"));
  for (let n = 1; n < 10; n++) await take(rejected(n, "noisy", "loud"));
  assert.deepEqual(await ids("noisy"), ["r9", "r8", "r0"]);
});

test("a deletion takes what its channel had before it, and leaves what came behind and other devices' own", async () => {
  const deletion = {
    ...rejected(0, "gone"),
    rejectionId: "",
    topic: "",
    reason: "",
    payload: "",
    deleted: true as const,
  };
  await take(rejected(1, "gone"), rejected(2, "gone", "other"), deletion, rejected(3, "gone"));
  assert.deepEqual(await ids("gone"), ["r3", "r2"]);
  await take(rejected(4, "gone"), deletion);
  assert.deepEqual(await ids("gone"), ["r2"]);
});
