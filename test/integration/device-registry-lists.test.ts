import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import type { z } from "zod";
import { cursorOf } from "../../lib/cursor.ts";
import type { deviceRegistry as contract } from "../../schemas/device-registry.ts";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import { as, startBroker } from "../support/broker.ts";

const { broker, call, stop } = await startBroker([deviceRegistry], { DEVICES_EXAMINED_MAX: "4000" });
after(stop);

const COUNT = 10_000;
const many = as("many");
const idOf = (n: number) => `d${String(n).padStart(5, "0")}`;

/** The batch as the gateway hands it on. */
const registerBatch = (text: string, meta = as("default")) =>
  call("device-registry.registerBatch", {}, { ...meta, stream: Readable.from([Buffer.from(text)]) } as never);

before(async () => {
  const lines = Array.from({ length: COUNT }, (_, n) =>
    JSON.stringify({
      id: idOf(n),
      name: `Pump ${n} ${n === 9999 ? "NEEDLE" : "hay"}`,
      type: n % 10 === 0 ? "rare" : "common",
      groups: n % 2 === 0 ? ["even"] : ["odd", "odd"],
      tags: { "floor:no": String(n % 3), site: n < 5000 ? "a" : "b" },
    }),
  );
  const { registered, failed, results } = await registerBatch(lines.join("\n"), many);
  assert.deepEqual([registered, failed, results.length], [COUNT, 0, COUNT]);
});

type Query = z.input<(typeof contract)["actions"]["list"]["params"]>;

/** Ids of the whole list, page by page; no page is larger than asked for. */
async function all(query: Query, meta = many): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await call("device-registry.list", { ...query, ...(cursor ? { cursor } : {}) }, meta);
    assert.ok(page.items.length <= Number(query.limit ?? 100));
    ids.push(...page.items.map(({ id }) => id));
    cursor = page.nextCursor;
    if (!cursor) return ids;
  }
}

const expected = (is: (n: number) => boolean) =>
  Array.from({ length: COUNT }, (_, n) => n)
    .filter(is)
    .map(idOf);

test("all devices are listed once each, in the order of their ids", async () => {
  assert.deepEqual(
    await all({ limit: 999 }),
    expected(() => true),
  );
});

const filters: [what: string, query: Query, is: (n: number) => boolean][] = [
  ["a group", { group: "odd" }, (n) => n % 2 === 1],
  ["a tag, whose name may hold a colon", { tag: "floor:no:2" }, (n) => n % 3 === 2],
  ["two tags", { tag: ["floor:no:2", "site:a"] }, (n) => n % 3 === 2 && n < 5000],
  ["a type", { type: "rare" }, (n) => n % 10 === 0],
  ["a status", { status: "suspended" }, () => false],
  ["what is not connected", { connected: "false", type: "rare" }, (n) => n % 10 === 0],
  ["what is connected", { connected: "true" }, () => false],
  ["part of the id, whatever its case", { q: "D0123" }, (n) => idOf(n).includes("d0123")],
  ["part of the name, found behind everything else", { q: "needle" }, (n) => n === 9999],
  ["nothing", { q: "no such" }, () => false],
  ["no regular expression", { q: "d0.*" }, () => false],
  [
    "all filters at once",
    { group: "even", tag: "site:b", type: "rare", status: "active", connected: "false", q: "PUMP 6" },
    (n) => n % 10 === 0 && n >= 5000 && String(n).startsWith("6"),
  ],
];
for (const [what, query, is] of filters)
  test(`${COUNT} devices are filtered by ${what}`, async () => {
    assert.deepEqual(await all({ ...query, limit: 100 }), expected(is));
  });

test("a search looks at a bounded number of devices for one page, and says where to go on", async () => {
  const page = await call("device-registry.list", { q: "needle" }, many);
  assert.deepEqual(page.items, []);
  assert.equal(page.nextCursor, cursorOf(idOf(3999), ["devices", "many", [["q", "needle"]]]));
});

test("a cursor of another query, or another tenant's, is 400", async () => {
  const { nextCursor: cursor = assert.fail() } = await call("device-registry.list", { group: "odd", limit: 1 }, many);
  const refused = { code: 400, type: "CURSOR_REFUSED" };
  await assert.rejects(call("device-registry.list", { group: "even", limit: 1, cursor }, many), refused);
  await assert.rejects(call("device-registry.list", { group: "odd", q: "d", cursor }, many), refused);
  await assert.rejects(call("device-registry.list", { group: "odd", cursor }), refused);
  await call("device-registry.list", { group: "odd", limit: 500, cursor }, many);
});

for (const [query, field] of [
  [{ tag: "colonless" }, "tag"],
  [{ status: "sleeping" }, "status"],
  [{ connected: "yes" }, "connected"],
  [{ q: "" }, "q"],
  [{ q: { $gt: "" } }, "q"],
] as const)
  test(`the filter ${JSON.stringify(query)} is refused, naming ${field}`, async () => {
    await assert.rejects(broker.call("device-registry.list", query), (error: { data?: { field: string }[] }) => {
      assert.equal(error.data?.[0]?.field, field);
      return true;
    });
  });

test("groups are listed by name with the number of their devices, page by page", async () => {
  assert.deepEqual(await call("device-registry.listGroups", {}, many), {
    items: [
      { name: "even", devices: COUNT / 2 },
      { name: "odd", devices: COUNT / 2 },
    ],
  });
  const first = await call("device-registry.listGroups", { limit: 1 }, many);
  const { nextCursor: cursor = assert.fail() } = first;
  assert.deepEqual(await call("device-registry.listGroups", { limit: 1, cursor }, many), {
    items: [{ name: "odd", devices: COUNT / 2 }],
  });
  assert.deepEqual(await call("device-registry.listGroups", {}), { items: [] });
});

test("a line that is refused fails alone, with its number and what is wrong", async () => {
  const lines = [
    '{"id":"b1"}',
    "",
    "{",
    '{"id":"b 2"}',
    '{"id":"b1"}',
    '{"name":"no id"}',
    '{"id":"b3","naem":1}',
    "7",
    '{"id":"b4","tags":{"__proto__":"x"}}',
  ];
  const { registered, failed, results } = await registerBatch(lines.join("\r\n"));
  assert.deepEqual([registered, failed], [2, 6]);
  const { deviceId = "" } = results[4] ?? {};
  assert.match(deviceId, /^[0-9a-f-]{36}$/);
  assert.partialDeepStrictEqual(results, [
    { line: 1, status: 201, deviceId: "b1" },
    { line: 3, status: 422, code: "VALIDATION_ERROR", errors: [{ field: "line", message: "must be JSON" }] },
    { line: 4, status: 422, errors: [{ field: "id" }] },
    { line: 5, status: 409, deviceId: "b1", code: "DEVICE_EXISTS" },
    { line: 6, status: 201 },
    { line: 7, status: 422, errors: [{ field: "naem" }] },
    { line: 8, status: 422 },
    { line: 9, status: 422, errors: [{ field: "tags.__proto__" }] },
  ]);
  assert.equal((await call("device-registry.get", { deviceId })).name, "no id");
  const again = await registerBatch('{"id":"b1","name":"other"}');
  assert.deepEqual([again.registered, again.failed, again.results[0]?.status], [0, 1, 409]);
  assert.equal((await call("device-registry.get", { deviceId: "b1" })).name, undefined);
});

test("a batch with too many lines, or bytes, registers nothing", async () => {
  const tenant = as("bounded");
  const lines = Array.from({ length: COUNT + 1 }, (_, n) => `{"id":"${idOf(n)}"}`).join("\n");
  await assert.rejects(registerBatch(lines, tenant), { code: 413, type: "LINES_TOO_MANY" });
  await assert.rejects(registerBatch(`{"id":"x"}\n${" ".repeat(17_000_000)}`, tenant), { code: 413 });
  assert.deepEqual(await all({}, tenant), []);
});

test("a batch that breaks off registers nothing", async () => {
  const tenant = as("broken");
  async function* broken() {
    yield Buffer.from('{"id":"x"}\n');
    throw new Error("aborted");
  }
  const call = broker.call("device-registry.registerBatch", {}, {
    ...tenant,
    stream: Readable.from(broken()),
  } as never);
  await assert.rejects(call, /aborted/);
  assert.deepEqual(await all({}, tenant), []);
});

test("a change replaces what it names and keeps the rest; null removes", async () => {
  const made = { id: "changed", name: "A", type: "t", groups: ["g"], tags: { a: "1", b: "2" } };
  const device = await call("device-registry.register", made);
  const change = (fields: object) => call("device-registry.update", { deviceId: "changed", ...fields });
  assert.deepEqual(await change({}), device);
  assert.deepEqual(await change({ name: "B" }), { ...device, name: "B" });
  assert.deepEqual(await change({ tags: { "c.$d": "3" }, groups: [] }), {
    ...device,
    name: "B",
    groups: [],
    tags: { "c.$d": "3" },
  });
  const { name: _, type: __, ...bare } = { ...device, groups: [], tags: { "c.$d": "3" } };
  assert.deepEqual(await change({ name: null, type: null, status: "suspended" }), { ...bare, status: "suspended" });
  assert.deepEqual(await all({ status: "suspended" }, as("default")), ["changed"]);
  assert.deepEqual(await call("device-registry.get", { deviceId: "changed" }), { ...bare, status: "suspended" });
});

test("a change of an unknown device, or of another tenant's, is 404; a wrong one names the field", async () => {
  const none = { code: 404, type: "DEVICE_NOT_FOUND" };
  await assert.rejects(call("device-registry.update", { deviceId: "nobody", name: "x" }), none);
  await assert.rejects(call("device-registry.update", { deviceId: "nobody" }), none);
  await assert.rejects(call("device-registry.update", { deviceId: idOf(1), name: "x" }, as("acme")), none);
  for (const [fields, field] of [
    [{ status: "gone" }, "status"],
    [{ tags: null }, "tags"],
    [{ id: "other" }, "id"],
    [{ tags: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`t${n}`, ""])) }, "tags"],
  ] as const)
    await assert.rejects(
      broker.call("device-registry.update", { deviceId: "changed", ...fields }),
      (error: { data?: { field: string }[] }) => {
        assert.equal(error.data?.[0]?.field, field);
        return true;
      },
    );
});
