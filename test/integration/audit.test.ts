import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import { closeDocumentStore, openDocumentStore } from "../../lib/document-store.ts";
import type { AuditEvent, AuditRecorded } from "../../schemas/audit.ts";
import audit from "../../services/audit/audit.service.ts";
import { type AuditEventDocument, auditEventModel } from "../../services/audit/audit-event.model.ts";
import { AuditLog } from "../../services/audit/audit-log.ts";
import { parseHead, verifyAll } from "../../services/audit/verify.ts";
import { as, startBroker } from "../support/broker.ts";

const { broker, call, stop, folder } = await startBroker([audit]);
const documents = await openDocumentStore({ file: `${folder}/documents.db`, synchronous: "NORMAL" });
const events = auditEventModel(documents);
const log = new AuditLog(events);
after(async () => {
  await closeDocumentStore(documents);
  await stop();
});

const WAIT = { timeout: 10_000 };
const AT = Date.UTC(2026, 0, 1) * 1000;

const event = (tenantId: string, n: number, rest: Partial<AuditRecorded> = {}): AuditRecorded => ({
  ...{ tenantId, eventId: `event-${n}`, at: AT + n * 1_000_000, action: "device-registry.delete" },
  ...{ actor: { type: "user", id: `user-${n % 2}` }, target: `/v1/devices/d${n}`, outcome: "success" },
  ...rest,
});

async function record(t: TestContext, tenantId: string, count: number, rest?: Partial<AuditRecorded>): Promise<void> {
  for (let n = 1; n <= count; n++) await broker.publish("audit.recorded", event(tenantId, n, rest), { key: tenantId });
  await t.waitFor(async () => assert.equal((await log.head(tenantId)).seq, count), WAIT);
}

const list = (tenantId: string, params: object = {}) => call("audit.list", params, as(tenantId));
const targets = (items: readonly AuditEvent[]) => items.map(({ target }) => target);

test("what was recorded is listed, the latest first, to its tenant only, by page and by filter", async (t) => {
  await record(t, "one", 5);
  await record(t, "two", 1, { outcome: "failure", reason: "DEVICE_NOT_FOUND", actor: { type: "anonymous" } });
  const { items } = await list("one");
  assert.deepEqual(
    items.map(({ seq, at }) => [seq, at]),
    [5, 4, 3, 2, 1].map((n) => [n, `2026-01-01T00:00:0${n}.000Z`]),
  );
  assert.partialDeepStrictEqual(items[4], {
    ...{ id: "event-1", action: "device-registry.delete", actor: { type: "user", id: "user-1" } },
    ...{ target: "/v1/devices/d1", outcome: "success" },
  });
  const { nextCursor: cursor = assert.fail(), items: first } = await list("one", { limit: 2 });
  assert.deepEqual(targets(first), ["/v1/devices/d5", "/v1/devices/d4"]);
  assert.deepEqual(targets((await list("one", { limit: 2, cursor })).items), ["/v1/devices/d3", "/v1/devices/d2"]);
  for (const [filter, expected] of [
    [{ actorId: "user-0" }, [4, 2]],
    [{ target: "/v1/devices/d3" }, [3]],
    [{ action: "device-registry.update" }, []],
    [{ outcome: "failure" }, []],
    [{ from: "2026-01-01T00:00:02Z", to: "2026-01-01T00:00:04Z" }, [3, 2]],
  ] as const)
    assert.deepEqual(
      (await list("one", filter)).items.map(({ seq }) => seq),
      expected,
      JSON.stringify(filter),
    );
  assert.partialDeepStrictEqual((await list("two")).items, [
    { seq: 1, outcome: "failure", reason: "DEVICE_NOT_FOUND", actor: { type: "anonymous" } },
  ]);
  assert.deepEqual(await call("audit.head", {}, as("one")), { seq: 5, hash: items[0]?.hash });
  assert.deepEqual(await call("audit.head", {}, as("nobody")), { seq: 0, hash: "" });
});

test("events that come again change nothing, alone, in a batch and among new ones", async () => {
  const tenant = "again";
  await log.append([1, 2, 1].map((n) => event(tenant, n)));
  await log.append([2, 3, 1, 4].map((n) => event(tenant, n)));
  assert.deepEqual(
    (await list(tenant)).items.map(({ id }) => id),
    ["event-4", "event-3", "event-2", "event-1"],
  );
  assert.equal((await log.verify(tenant)).broken, undefined);
});

test("of two who append at once one has to try again, and the chain is whole", async () => {
  const tenant = "both";
  const batches = Array.from({ length: 6 }, (_, n) => [event(tenant, 2 * n + 1), event(tenant, 2 * n + 2)]);
  const append = async (batch: AuditRecorded[]): Promise<void> => {
    for (;;) {
      try {
        return await log.append(batch);
      } catch (error) {
        assert.equal((error as { code?: number }).code, 11000);
      }
    }
  };
  await Promise.all(batches.map(append));
  const { seq, broken } = await log.verify(tenant);
  assert.deepEqual([seq, broken], [12, undefined]);
});

const raw = documents.collection<AuditEventDocument>("audit-events");
const at = (seq: number, tenant: string) => ({ _id: `${tenant}/${seq}` });
const change = (tenant: string, seq: number, to: Partial<AuditEventDocument>) =>
  raw.updateOne(at(seq, tenant), { $set: to });

const FORGERIES: Record<string, { forge(tenant: string): Promise<unknown>; found: RegExp | undefined }> = {
  nothing: { forge: async () => {}, found: undefined },
  "a text": {
    forge: async (tenant) => {
      const { text = "" } = (await raw.findOne(at(2, tenant))) ?? {};
      await change(tenant, 2, { text: text.replace("user-0", "user-9") });
    },
    found: /event 2 .*changed/,
  },
  "an actor": { forge: (tenant) => change(tenant, 2, { actorId: "user-9" }), found: /event 2 .*actorId/ },
  "a time": { forge: (tenant) => change(tenant, 3, { at: AT }), found: /event 3 .*at/ },
  "a hash": { forge: (tenant) => change(tenant, 1, { hash: "x".repeat(43) }), found: /event 1 .*changed/ },
  "an event taken out": { forge: (tenant) => raw.deleteOne(at(2, tenant)), found: /event 2 is missing/ },
  "the first ones taken out": {
    forge: (tenant) => raw.deleteMany({ tenantId: tenant, seq: { $lt: 3 } }),
    found: /events 1 to 2 are missing/,
  },
  "the end taken off": { forge: (tenant) => raw.deleteOne(at(4, tenant)), found: /event 4 with hash .* is not there/ },
};
for (const [what, { forge, found }] of Object.entries(FORGERIES))
  test(`changed by hand: ${what}, ${found ? "is found" : "is good"}`, async () => {
    const tenant = `forged-${what.replaceAll(" ", "-")}`;
    await log.append([1, 2, 3, 4].map((n) => event(tenant, n)));
    const { seq, hash } = await log.head(tenant);
    const kept = parseHead(`${tenant}=${seq}:${hash}`);
    await forge(tenant);
    const verdicts = (await verifyAll(log, [kept])).filter(({ text }) => text.startsWith(`${tenant}:`));
    const wrong = verdicts.filter((verdict) => verdict.wrong).map(({ text }) => text);
    if (found) assert.match(wrong.join("\n"), found);
    else assert.deepEqual(wrong, []);
  });

test("a head that is none is refused", () => {
  for (const head of ["", "one", "one=1", "one=x:abc", `One=1:${"a".repeat(43)}`])
    assert.throws(() => parseHead(head), /--head must be TENANT=SEQ:HASH/);
});
