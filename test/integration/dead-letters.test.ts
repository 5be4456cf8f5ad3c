import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Context, ServiceBroker, type ServiceSchema } from "moleculer";
import { brokerOptions } from "../../lib/broker-options.ts";
import { type ChannelBroker, channelMiddlewares } from "../../lib/channels/middlewares.ts";
import { SqliteFactsAdapter } from "../../lib/channels/sqlite-facts.ts";
import { SqliteWorkAdapter } from "../../lib/channels/sqlite-work.ts";
import { readConfig } from "../../lib/config.ts";
import { settingsMiddleware } from "../../lib/service-settings.ts";
import type { BulkRedriven } from "../../schemas/bulk.ts";
import { type DeadLetter, type DeadLetterSummary, deadLetters } from "../../schemas/dead-letters.ts";
import { deadLettersService } from "../../services/dead-letters/dead-letters.service.ts";
import { LetterStore } from "../../services/dead-letters/letter-store.ts";

const WAIT = { timeout: 15_000 };
/** Channels of this test only: the service is made for whatever is declared. */
const channels = { readings: { kind: "facts" }, jobs: { kind: "work" } } as const;

interface Payload {
  tenantId?: string;
  deviceId?: string;
  n: number;
}
interface Page {
  items: DeadLetterSummary[];
  nextCursor?: string;
}

/** A platform of these channels: two groups of facts, one worker; what they refuse is decided by each test. */
async function platform(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "dead-letters-"));
  const facts = new SqliteFactsAdapter({
    file: join(dir, "facts.db"),
    synchronous: "NORMAL",
    retryMs: 1,
    maxRetries: 1,
  });
  const work = new SqliteWorkAdapter({ file: join(dir, "work.db"), synchronous: "NORMAL", retryMs: 1, maxRetries: 1 });
  const config = readConfig({ DATA_DIR: dir });
  const broker = new ServiceBroker({
    ...brokerOptions(config),
    logger: false,
    skipProcessEventRegistration: true,
    middlewares: [settingsMiddleware(config), ...channelMiddlewares({ facts, work, channels })],
  }) as ServiceBroker & ChannelBroker;
  const seen: Record<"first" | "second" | "worker", number[]> = { first: [], second: [], worker: [] };
  const refusing = new Set<string>();
  const take = (who: keyof typeof seen) => (ctx: Context<Payload | Payload[]>) => {
    const batch = [ctx.params].flat();
    if (refusing.has(who))
      throw Object.assign(new Error("not this one"), { retryable: false, code: 422, type: "NOT_THIS_ONE" });
    seen[who].push(...batch.map(({ n }) => n));
  };
  for (const group of ["first", "second"] as const)
    broker.createService({
      name: group,
      facts: { readings: { group, batch: { size: 10 }, context: true, handler: take(group) } },
    } as ServiceSchema);
  broker.createService({
    name: "worker",
    work: { jobs: { group: "workers", context: true, handler: take("worker") } },
  } as ServiceSchema);
  broker.createService(deadLettersService(channels));
  await broker.start();
  t.after(async () => {
    await broker.stop();
    rmSync(dir, { recursive: true });
  });

  /** Calls as a tenant, and holds the result against the contract. */
  const call = async <R = unknown>(action: keyof typeof deadLetters.actions, params: object, tenantId = "acme") => {
    const result = await broker.call<unknown, object>(`dead-letters.${action}`, params, { meta: { tenantId } });
    return deadLetters.actions[action].result.parse(result) as R;
  };
  const list = async (params: object = {}, tenantId = "acme") => (await call<Page>("list", params, tenantId)).items;
  const listed = async (count: number, params: object = {}, tenantId = "acme") => {
    await t.waitFor(async () => assert.equal((await list(params, tenantId)).length, count), WAIT);
    return list(params, tenantId);
  };
  /** Lets `first` refuse a message of the device. */
  const refused = async (n: number, device = "boiler-7", tenantId = "acme") => {
    refusing.add("first");
    const dead = (await list({}, tenantId)).length;
    const payload = { tenantId, deviceId: device, n };
    await broker.publish("readings", payload, { key: `${tenantId}/${device}`, headers: { "x-mine": "kept" } });
    await listed(dead + 1, {}, tenantId);
    refusing.delete("first");
  };
  return { broker, call, list, listed, refused, refusing, seen, work };
}

const only = <T>(items: T[]): T => {
  assert.equal(items.length, 1);
  return items[0] as T;
};

test("what a group refuses is listed and inspected: cause, group, position, attempts, times, headers, payload and bytes", async (t) => {
  const { refused, list, call, seen } = await platform(t);
  const before = Date.now();
  await refused(7);
  const { id, publishedAt, deadAt, position, ...summary } = only(await list());
  assert.deepEqual(summary, {
    kind: "facts",
    channel: "readings",
    group: "first",
    deviceId: "boiler-7",
    cause: "rejected",
    error: { message: "not this one", type: "NOT_THIS_ONE", code: "422" },
    attempts: 1,
  });
  assert.equal(position, "1");
  assert.ok(Date.parse(publishedAt) >= before && Date.parse(deadAt) >= Date.parse(publishedAt));
  const { key, headers, payload, bytes, complete } = await call<DeadLetter>("get", { deadLetterId: id });
  assert.deepEqual(payload, { tenantId: "acme", deviceId: "boiler-7", n: 7 });
  assert.deepEqual(JSON.parse(Buffer.from(bytes, "base64").toString()), payload);
  assert.deepEqual([key, headers, complete], ["acme/boiler-7", { "x-mine": "kept" }, true]);
  assert.deepEqual(seen.second, [7], "the other group is not concerned");
});

test("a tenant sees and touches its own only", async (t) => {
  const { refused, list, call } = await platform(t);
  await refused(1);
  const { id: deadLetterId } = only(await list());
  assert.deepEqual(await list({}, "other"), []);
  for (const [action, params] of [
    ["get", {}],
    ["edit", { payload: { n: 2 } }],
    ["redrive", {}],
    ["discard", {}],
  ] as const)
    await assert.rejects(call(action, { deadLetterId, ...params }, "other"), {
      code: 404,
      type: "DEAD_LETTER_NOT_FOUND",
    });
  assert.partialDeepStrictEqual(await call("redriveMany", { channel: "readings" }, "other"), { redriven: 0 });
  assert.partialDeepStrictEqual(await call("discardMany", { channel: "readings" }, "other"), { discarded: 0 });
  assert.equal((await list()).length, 1);
});

test("the tenant is the key's, else the payload's; a letter of nobody is no tenant's", async (t) => {
  const { broker, refusing, listed, list } = await platform(t);
  refusing.add("first");
  await broker.publish("readings", { tenantId: "other", n: 1 }, { key: "acme/boiler-7" });
  await broker.publish("readings", { tenantId: "acme", deviceId: "boiler-8", n: 2 });
  await broker.publish("readings", { n: 3 }, { key: "neither" });
  assert.deepEqual((await listed(2)).map(({ deviceId }) => deviceId).sort(), ["boiler-7", "boiler-8"]);
  await listed(1, {}, "");
  for (const tenant of ["other", "default"]) assert.deepEqual(await list({}, tenant), []);
});

test("the list is filtered and paged, the latest first", async (t) => {
  const { refused, list, call } = await platform(t);
  for (const [n, device] of [
    [1, "a"],
    [2, "b"],
    [3, "a"],
    [4, "b"],
    [5, "a"],
  ] as const)
    await refused(n, device);
  const all = await list();
  assert.deepEqual(
    all.map(({ position }) => position),
    ["5", "4", "3", "2", "1"],
  );
  for (const [params, expected] of [
    [{ deviceId: "a" }, ["5", "3", "1"]],
    [{ group: "second" }, []],
    [{ channel: "readings", group: "first", cause: "rejected" }, ["5", "4", "3", "2", "1"]],
    [{ channel: "jobs" }, []],
    [{ cause: "expired" }, []],
    [{ before: all[2]?.deadAt }, ["2", "1"]],
  ] as const)
    assert.deepEqual(
      (await list(params)).map(({ position }) => position),
      expected,
      JSON.stringify(params),
    );
  const paged: string[] = [];
  for (let page: Page | undefined; !page || page.nextCursor; ) {
    page = await call<Page>("list", { limit: 2, ...(page?.nextCursor ? { cursor: page.nextCursor } : {}) });
    paged.push(...page.items.map(({ position }) => position));
  }
  assert.deepEqual(paged, ["5", "4", "3", "2", "1"]);
  const { nextCursor: cursor } = await call<Page>("list", { limit: 1 });
  await assert.rejects(call("list", { cursor, deviceId: "a" }), { code: 400, type: "CURSOR_REFUSED" });
});

test("a re-driven letter goes to the group that failed and to no other, and is gone", async (t) => {
  const { refused, list, call, seen, broker } = await platform(t);
  await refused(1);
  const { id: deadLetterId } = only(await list());
  assert.deepEqual(await call("redrive", { deadLetterId }), { channel: "readings", group: "first" });
  await t.waitFor(() => assert.deepEqual(seen.first, [1]), WAIT);
  await t.waitFor(async () => assert.equal(await broker.facts.lag("readings", "second"), 0), WAIT);
  assert.deepEqual(seen.second, [1], "once, when it was published");
  assert.deepEqual(await list(), []);
  await assert.rejects(call("redrive", { deadLetterId }), { code: 404 });
});

test("a re-driven letter that fails again is a letter again", async (t) => {
  const { refused, list, call, refusing, listed } = await platform(t);
  await refused(1);
  const { id } = only(await list());
  refusing.add("first");
  await call("redrive", { deadLetterId: id });
  await t.waitFor(async () => assert.notEqual((await list())[0]?.id ?? id, id), WAIT);
  const again = only(await listed(1));
  const { headers } = await call<DeadLetter>("get", { deadLetterId: again.id });
  assert.equal(headers["x-mine"], "kept");
  refusing.clear();
  await call("redrive", { deadLetterId: again.id });
});

test("an edited letter is re-driven with its new payload", async (t) => {
  const { refused, list, call, seen } = await platform(t);
  await refused(1);
  const { id: deadLetterId } = only(await list());
  const payload = { tenantId: "acme", deviceId: "boiler-7", n: 11 };
  const edited = await call<DeadLetter>("edit", { deadLetterId, payload });
  assert.deepEqual(edited.payload, payload);
  assert.ok(Date.parse(edited.editedAt as string) >= Date.parse(edited.deadAt));
  await call("redrive", { deadLetterId });
  await t.waitFor(() => assert.deepEqual(seen.first, [11]), WAIT);
});

test("an edit cannot make it another tenant's or device's message, nor anything but a JSON object", async (t) => {
  const { refused, list, call } = await platform(t);
  await refused(1);
  const { id: deadLetterId } = only(await list());
  for (const [payload, field] of [
    [{ tenantId: "other", deviceId: "boiler-7", n: 1 }, "payload.tenantId"],
    [{ deviceId: "boiler-7", n: 1 }, "payload.tenantId"],
    [{ tenantId: "acme", deviceId: "boiler-8", n: 1 }, "payload.deviceId"],
    [[1], "payload"],
    ["text", "payload"],
    [undefined, "payload"],
  ] as const)
    await assert.rejects(
      call("edit", { deadLetterId, payload }),
      (error: { code: number; data: { field: string }[] }) => {
        assert.deepEqual([error.code, error.data.map((one) => one.field)], [422, [field]], JSON.stringify(payload));
        return true;
      },
    );
  const { payload } = await call<DeadLetter>("get", { deadLetterId });
  assert.deepEqual(payload, { tenantId: "acme", deviceId: "boiler-7", n: 1 });
});

test("a letter that is not JSON shows its bytes, and can be mended", async (t) => {
  const { broker, listed, call, seen } = await platform(t);
  await broker.publish("readings", "{", { raw: true, key: "acme/boiler-7" });
  const both = await listed(2);
  assert.deepEqual(both.map(({ group }) => group).sort(), ["first", "second"]);
  const { id: deadLetterId } = both.find(({ group }) => group === "second") as DeadLetterSummary;
  const letter = await call<DeadLetter>("get", { deadLetterId });
  assert.deepEqual([letter.payload, letter.bytes, letter.error.type], [undefined, "ew==", "CHANNEL_PAYLOAD"]);
  await call("edit", { deadLetterId, payload: { n: 5 } });
  await call("redrive", { deadLetterId });
  await t.waitFor(() => assert.deepEqual(seen.second, [5]), WAIT);
  assert.deepEqual(seen.first, []);
});

test("a letter that is too large is kept in part, and refused until its payload is replaced", async (t) => {
  const { broker, refusing, listed, call } = await platform(t);
  refusing.add("first");
  await broker.publish("readings", { n: 1, text: "x".repeat(5_000_000) }, { key: "acme/boiler-7" });
  const { id: deadLetterId } = only(await listed(1));
  const letter = await call<DeadLetter>("get", { deadLetterId });
  assert.deepEqual([letter.complete, letter.payload], [false, undefined]);
  await assert.rejects(call("redrive", { deadLetterId }), { code: 409, type: "DEAD_LETTER_INCOMPLETE" });
  refusing.clear();
  await call("edit", { deadLetterId, payload: { n: 1 } });
  await call("redrive", { deadLetterId });
});

test("a letter whose publishing fails stays, alone and in bulk", async (t) => {
  const { refused, list, call, broker } = await platform(t);
  for (const n of [1, 2, 3]) await refused(n);
  const publish = t.mock.method(broker, "publish", () =>
    Promise.reject(Object.assign(new Error("full"), { code: 429, type: "CHANNEL_FULL", outage: true })),
  );
  const [{ id: deadLetterId }] = (await list()) as [DeadLetterSummary];
  await assert.rejects(call("redrive", { deadLetterId }), { code: 429, type: "CHANNEL_FULL" });
  const { redriven, failed } = await call<BulkRedriven>("redriveMany", { channel: "readings" });
  assert.equal(redriven, 0);
  assert.deepEqual(
    failed.map(({ code }) => code),
    ["CHANNEL_FULL", "CHANNEL_FULL", "CHANNEL_FULL"],
  );
  assert.equal((await list()).length, 3);
  publish.mock.restore();
});

test("a death between publishing and removing loses nothing: the letter is there still", async (t) => {
  const { refused, list, call, seen } = await platform(t);
  await refused(1);
  const { id: deadLetterId } = only(await list());
  const remove = t.mock.method(LetterStore.prototype, "remove", () => Promise.reject(new Error("killed")));
  await assert.rejects(call("redrive", { deadLetterId }));
  remove.mock.restore();
  await t.waitFor(() => assert.deepEqual(seen.first, [1]), WAIT);
  await call("redrive", { deadLetterId });
  await t.waitFor(() => assert.deepEqual(seen.first, [1, 1]), WAIT);
  assert.deepEqual(await list(), []);
});

test("a letter that is edited while it is re-driven stays, with the edit", async (t) => {
  const { refused, list, call, broker } = await platform(t);
  await refused(1);
  const { id: deadLetterId } = only(await list());
  const publish = broker.publish.bind(broker);
  t.mock.method(broker, "publish", async (...parameters: Parameters<typeof publish>) => {
    await publish(...parameters);
    await call("edit", { deadLetterId, payload: { tenantId: "acme", deviceId: "boiler-7", n: 2 } });
  });
  await call("redrive", { deadLetterId });
  assert.partialDeepStrictEqual((await call<DeadLetter>("get", { deadLetterId })).payload, { n: 2 });
});

test("in bulk those are re-driven that the filter finds, the oldest first, within the limit", async (t) => {
  const { refused, list, call, seen } = await platform(t);
  for (let n = 1; n <= 30; n++) await refused(n, n % 2 ? "odd" : "even");
  assert.deepEqual(await call("redriveMany", { deviceId: "odd", limit: 10 }), { redriven: 10, failed: [], more: true });
  await t.waitFor(() => assert.deepEqual(seen.first, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]), WAIT);
  assert.deepEqual(await call("redriveMany", { group: "first" }), { redriven: 20, failed: [], more: false });
  await t.waitFor(() => assert.equal(seen.first.length, 30), WAIT);
  assert.deepEqual(await list(), []);
});

test("letters are discarded for good, alone and in bulk", async (t) => {
  const { refused, list, call, seen } = await platform(t);
  for (const [n, device] of [
    [1, "a"],
    [2, "b"],
    [3, "b"],
  ] as const)
    await refused(n, device);
  const { id: deadLetterId } = only(await list({ deviceId: "a" }));
  await call("discard", { deadLetterId });
  assert.deepEqual(
    (await list()).map(({ position }) => position),
    ["3", "2"],
  );
  assert.deepEqual(await call("discardMany", { deviceId: "b", limit: 1 }), { discarded: 1, more: true });
  assert.deepEqual(
    (await list()).map(({ position }) => position),
    ["3"],
    "the older one went",
  );
  assert.deepEqual(await call("discardMany", { deviceId: "b" }), { discarded: 1, more: false });
  await assert.rejects(call("discard", { deadLetterId }), { code: 404, type: "DEAD_LETTER_NOT_FOUND" });
  assert.deepEqual(seen.first, []);
});

test("bulk without a filter, beyond the limit, or of an unknown field is refused", async (t) => {
  const { call } = await platform(t);
  for (const action of ["redriveMany", "discardMany"] as const)
    for (const params of [{}, { limit: 5 }, { channel: "readings", limit: 1001 }, { chanel: "readings" }])
      await assert.rejects(call(action, params), { code: 422, type: "VALIDATION_ERROR" });
  await assert.rejects(call("get", { deadLetterId: "acme/x" }), { code: 422 });
});

test("dead letters of work are kept and re-driven as those of facts", async (t) => {
  const { broker, refusing, listed, call, seen, list } = await platform(t);
  refusing.add("worker");
  await broker.publish("jobs", { tenantId: "acme", n: 1 }, { key: "acme/boiler-7" });
  await broker.publish("jobs", { tenantId: "acme", n: 2 }, { key: "acme/boiler-7", ttlMs: 1, delayMs: 60_000 });
  const letters = await listed(2, { channel: "jobs" });
  assert.deepEqual(
    letters.map(({ kind, group, cause, attempts, deviceId }) => [kind, group, cause, attempts, deviceId]).sort(),
    [
      ["work", "workers", "expired", 0, "boiler-7"],
      ["work", "workers", "rejected", 1, "boiler-7"],
    ],
  );
  refusing.clear();
  assert.partialDeepStrictEqual(await call("redriveMany", { channel: "jobs" }), { redriven: 2, failed: [] });
  await t.waitFor(() => assert.deepEqual([...seen.worker].sort(), [1, 2]), WAIT);
  assert.deepEqual(await list(), []);
});

test("dead letters, lags and depths are measured", async (t) => {
  const { refused, broker } = await platform(t);
  await refused(1);
  const figures = (name: string) =>
    (broker.metrics.list({ includes: [name] }) as unknown as { values: { labels: object; value: number }[] }[]).flatMap(
      ({ values }) => values.map(({ labels, value }) => ({ ...labels, value })),
    );
  await t.waitFor(
    () => {
      const letters = figures("dead.letters");
      assert.deepEqual(letters, [{ channel: "readings", group: "first", value: 1 }]);
    },
    { timeout: 30_000, interval: 500 },
  );
  await t.waitFor(
    () => {
      assert.partialDeepStrictEqual(figures("channels.group.lag"), [{ channel: "readings", group: "first", value: 0 }]);
      assert.partialDeepStrictEqual(figures("channels.work.depth"), [{ channel: "jobs", value: 0 }]);
    },
    { timeout: 30_000, interval: 500 },
  );
});

test("a letter that is told twice is one", async (t) => {
  const { refused, broker, list } = await platform(t);
  await refused(1);
  await broker.facts.seek("readings.dead", "dead-letters", { position: 1 });
  await t.waitFor(async () => assert.equal(await broker.facts.lag("readings.dead", "dead-letters"), 0), WAIT);
  only(await list());
});
