import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Position, RawMessage } from "../../../lib/channels/message.ts";
import { SqliteFactsAdapter, type SqliteFactsOptions } from "../../../lib/channels/sqlite-facts.ts";
import { type Consumer, consumingBroker } from "./consuming-broker.ts";

const WAIT = { timeout: 15_000 };

/** A broker whose retention runs when the test says so, with consumers that note the positions they were given. */
async function retaining(t: TestContext, options: Partial<SqliteFactsOptions>, consumers: Partial<Consumer>[]) {
  const dir = mkdtempSync(join(tmpdir(), "facts-retention-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const adapter = new SqliteFactsAdapter({ file: join(dir, "facts.db"), retentionIntervalMs: 3_600_000, ...options });
  const positions: Position[][] = consumers.map(() => []);
  const readings = consumers.map((consumer, i) => ({
    group: `group-${i}`,
    batch: { size: 100 },
    handler: (_batch: never, raw: RawMessage[]) => void positions[i]?.push(...raw.map(({ position }) => position)),
    ...consumer,
  }));
  const broker = await consumingBroker(adapter, { readings });
  t.after(() => broker.stop());
  const send = (count: number, pad = "") =>
    Promise.all(Array.from({ length: count }, (_, n) => broker.publish("readings", { n, pad })));
  const drained = (group: string) =>
    t.waitFor(async () => assert.equal(await broker.facts.lag("readings", group), 0), WAIT);
  return { adapter, broker, positions, send, drained };
}

test("what every group has read goes when it is old, in chunks; positions go on, and a replay begins with the oldest", async (t) => {
  const { adapter, broker, positions, send, drained } = await retaining(t, { retentionMs: 1, retentionChunk: 7 }, [{}]);
  await send(100);
  await drained("group-0");
  await sleep(5);
  await adapter.trim();
  await send(10);
  await drained("group-0");
  assert.deepEqual(
    positions[0],
    Array.from({ length: 110 }, (_, i) => i + 1),
  );

  await broker.facts.seek("readings", "group-0", { time: new Date(0) });
  await drained("group-0");
  assert.deepEqual(
    positions[0]?.slice(110),
    Array.from({ length: 11 }, (_, i) => i + 100),
  );
  await broker.facts.seek("readings", "group-0", { position: 1 });
  await drained("group-0");
  assert.equal(positions[0]?.length, 132);
});

test("what is younger than retentionMs stays", async (t) => {
  const { adapter, broker, positions, send, drained } = await retaining(t, { retentionMs: 3_600_000 }, [{}]);
  await send(20);
  await drained("group-0");
  await adapter.trim();
  await broker.facts.seek("readings", "group-0", { position: 1 });
  await drained("group-0");
  assert.equal(positions[0]?.length, 40);
});

test("what a known group has not read stays however old it is, until the group is forgotten", async (t) => {
  const slow = Promise.withResolvers<void>();
  t.after(() => slow.resolve());
  const { adapter, broker, positions, send, drained } = await retaining(t, { retentionMs: 1, stopTimeoutMs: 50 }, [
    {},
    { handler: () => slow.promise },
  ]);
  await send(20);
  await drained("group-0");
  await sleep(5);
  await adapter.trim();
  assert.equal(await broker.facts.lag("readings", "group-1"), 20);
  await assert.rejects(adapter.forget("readings", "group-1"), { type: "GROUP_ACTIVE", code: 409 });
  await broker.destroyService("readings-group-1");
  await adapter.forget("readings", "group-1");
  await adapter.trim();
  await broker.facts.seek("readings", "group-0", { position: 1 });
  await drained("group-0");
  assert.deepEqual(positions[0]?.slice(20), [20]);
});

test("a channel that no group has consumed keeps everything", async (t) => {
  const { adapter, broker, send } = await retaining(t, { retentionMs: 1, stopTimeoutMs: 50 }, []);
  await send(20);
  await sleep(5);
  await adapter.trim();
  await adapter.subscribe({
    id: "late",
    name: "test.readings",
    group: "late",
    unsubscribing: false,
    handler: () => new Promise(() => {}),
  });
  assert.equal(await broker.facts.lag("readings", "late"), 20);
  await adapter.disconnect();
});

test("above retentionBytes the oldest messages go, as far as they were read", async (t) => {
  const { adapter, broker, positions, send, drained } = await retaining(
    t,
    { retentionBytes: 500_000, retentionChunk: 10 },
    [{}],
  );
  await send(200, "x".repeat(10_000));
  await drained("group-0");
  await adapter.trim();
  await broker.facts.seek("readings", "group-0", { position: 1 });
  await drained("group-0");
  const kept = positions[0]?.slice(200) ?? [];
  assert.equal(kept.at(-1), 200);
  assert.ok(kept.length > 10 && kept.length < 60, `${kept.length} of 10 kB each are left`);
});
