import assert from "node:assert/strict";
import { test } from "node:test";
import type { TelemetryItem } from "../../../../lib/readings/item.ts";
import { TypeSchemas } from "../../../../lib/readings/type-schemas.ts";

const REFRESH_SECONDS = 60;
const SECOND = 1_000_000;
type Answer = { schema: Record<string, unknown> } | null;

const item = (values: TelemetryItem["values"]): TelemetryItem => ({
  ts: undefined,
  sinceArrival: 0,
  id: undefined,
  values,
});
const below = (maximum: number): Answer => ({ schema: { properties: { t: { maximum } } } });

/** Types whose registry answers as told, at a time as told. */
function subject(answer: Answer) {
  const state = { answer, failing: false, asked: [] as string[], now: 1_767_225_600_000_000 };
  const schemas = new TypeSchemas(
    async (tenantId, typeId) => {
      state.asked.push(`${tenantId}/${typeId}`);
      if (state.failing) throw new Error("the registry is away");
      return state.answer;
    },
    REFRESH_SECONDS,
    () => state.now,
  );
  return { schemas, state };
}
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

test("a type is asked for once for all its devices, and never per message", async () => {
  const { schemas, state } = subject(below(10));
  const [one, other] = await Promise.all([schemas.of("acme", "boiler"), schemas.of("acme", "boiler")]);
  assert.equal(one, other);
  await schemas.of("acme", "boiler");
  for (let n = 0; n < 100; n++) assert.equal(one.refusal([item({ t: 5 })], state.now), undefined);
  assert.ok(new Set(state.asked).size === 1 && state.asked.length <= 2);
  await schemas.of("other", "boiler");
  assert.equal(state.asked.at(-1), "other/boiler");
});

test("a refused item of several is named by its place", async () => {
  const { schemas, state } = subject(below(10));
  const type = await schemas.of("acme", "boiler");
  assert.equal(type.refusal([item({ t: 11 })], state.now), "t: must be <= 10");
  assert.equal(type.refusal([item({ t: 9 }), item({ t: 11 })], state.now), "[1].t: must be <= 10");
});

test("a type without a schema takes everything", async () => {
  const { schemas, state } = subject(null);
  assert.equal((await schemas.of("acme", "free")).refusal([item({ t: 11 })], state.now), undefined);
});

test("a hint brings the new schema to devices that are connected, and a deleted one away", async () => {
  const { schemas, state } = subject(below(10));
  const type = await schemas.of("acme", "boiler");
  state.answer = below(20);
  await schemas.changed("acme", "boiler");
  assert.equal(type.refusal([item({ t: 11 })], state.now), undefined);
  assert.equal(type.refusal([item({ t: 21 })], state.now), "t: must be <= 20");
  state.answer = null;
  await schemas.changed("acme", "boiler");
  assert.equal(type.refusal([item({ t: 21 })], state.now), undefined);
  await schemas.changed("acme", "unknown here");
});

test("without a hint the new schema is there after the bounded time, by a message or a connect", async () => {
  const { schemas, state } = subject(below(10));
  const type = await schemas.of("acme", "boiler");
  state.answer = below(20);
  state.now += REFRESH_SECONDS * SECOND - 1;
  assert.equal(type.refusal([item({ t: 11 })], state.now), "t: must be <= 10");
  await settled();
  assert.equal(state.asked.length, 1);
  state.now += 1;
  type.refusal([item({ t: 11 })], state.now);
  type.refusal([item({ t: 11 })], state.now);
  await settled();
  assert.equal(state.asked.length, 2, "once, not per message");
  assert.equal(type.refusal([item({ t: 11 })], state.now), undefined);
  state.answer = below(5);
  state.now += REFRESH_SECONDS * SECOND;
  assert.equal((await schemas.of("acme", "boiler")).refusal([item({ t: 6 })], state.now), "t: must be <= 5");
});

test("while the registry is away the known schema stays in force, and an unknown type lets nobody in", async () => {
  const { schemas, state } = subject(below(10));
  const type = await schemas.of("acme", "boiler");
  state.failing = true;
  await schemas.changed("acme", "boiler");
  state.now += REFRESH_SECONDS * SECOND;
  assert.equal(type.refusal([item({ t: 11 })], state.now), "t: must be <= 10");
  await settled();
  await assert.rejects(schemas.of("acme", "other"), /away/);
  state.failing = false;
  await schemas.of("acme", "other");
});

test("an older answer that comes late changes nothing", async () => {
  const waiting: ((answer: Answer) => void)[] = [];
  const schemas = new TypeSchemas(() => new Promise((resolve) => waiting.push(resolve)));
  const connecting = schemas.of("acme", "boiler");
  const changed = schemas.changed("acme", "boiler");
  waiting[1]?.(below(20));
  await changed;
  waiting[0]?.(below(10));
  const type = await connecting;
  assert.equal(type.refusal([item({ t: 15 })], Date.now() * 1000), undefined);
  assert.equal(type.refusal([item({ t: 21 })], Date.now() * 1000), "t: must be <= 20");
});
