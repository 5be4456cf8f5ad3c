import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { startMongo } from "../support/engines/mongo.ts";
import { type ClusterOnEngines, startClusterOnEngines } from "./cluster-on-engines.ts";
import { BACK_MS, load, outageOf, RATE_PER_SECOND } from "./outage.ts";
import { rabbitMq, VICTIMS } from "./victims.ts";
import { WorkFlow } from "./work-flow.ts";

// FAILURES_FULL adds the longest outages, `npm run test:failures -- --full`.
const FULL = process.env["FAILURES_FULL"] === "1";
/** The stand-in for MongoDB takes more than the default of 20 s to go through what comes in a minute. */
const PATIENCE: Record<string, string> = FULL ? { CALL_SECONDS_MAX: "120", MONGO_TIMEOUT_SECONDS: "60" } : {};
const GROWTH_MB_MAX = 150;
const STOP_MS = 10_000;
const WAIT = { timeout: 30_000, interval: 50 };
/** Four items of each worker in so many milliseconds: 500 a second. */
const BROKEN_PACE_MS = 16;

/** Processes that were stopped, by name. */
const stopped = new Set<string>();
const table: Record<string, string | number>[] = [];
let on: ClusterOnEngines;
const undo: (() => Promise<void>)[] = [];
before(
  async () => {
    const t = {
      diagnostic: (text: string) => console.log(text),
      after: (work: () => Promise<void>) => undo.push(work),
    } as unknown as TestContext;
    on = await startClusterOnEngines(t, PATIENCE);
  },
  { timeout: 300_000 },
);
after(async () => {
  for (const work of undo) await work();
  console.table(table);
});

test("the Mongo-wire server keeps what it has acknowledged over SIGKILL, by the word of a raw driver", async (t) => {
  const storage = mkdtempSync(join(tmpdir(), "ganglion-wire-"));
  let server = await startMongo({ storage, args: ["--sync-on-commit"] });
  t.after(async () => {
    await server.stop();
    rmSync(storage, { recursive: true, force: true, maxRetries: 3 });
  });
  const { port } = server;
  const writer = await MongoClient.connect(server.url, { serverSelectionTimeoutMS: 2000 });
  const acknowledged: number[] = [];
  const writing = (async () => {
    for (let n = 0; ; n++) {
      await writer
        .db("d")
        .collection<{ _id: number }>("c")
        .insertOne({ _id: n }, { writeConcern: { w: 1, j: true } });
      acknowledged.push(n);
    }
  })().catch(() => {});
  await t.waitFor(() => assert.ok(acknowledged.length > 200), { timeout: 20_000 });
  server.process.signal("SIGKILL");
  await writing;
  await writer.close();
  server = await startMongo({ storage, port, args: ["--sync-on-commit"] });
  const reader = await MongoClient.connect(server.url);
  const found = new Set((await reader.db("d").collection<{ _id: number }>("c").find().toArray()).map(({ _id }) => _id));
  await reader.close();
  assert.deepEqual(
    acknowledged.filter((n) => !found.has(n)),
    [],
  );
});

for (const victim of VICTIMS)
  for (const away of FULL ? [...victim.seconds, 60] : victim.seconds)
    test(`${victim.name} is killed under ${RATE_PER_SECOND} messages a second and away for ${away} s: acknowledged = stored exactly once, flow back within 15 s`, {
      timeout: 240_000 + 2000 * away,
    }, async (t) => {
      const accepted = on.work.accepted;
      const { plan, verdict, ...figures } = await outageOf(t, on, { victim, awayMs: away * 1000 });
      const { before, resent, flowAfterMs, rssGrowthMb } = figures;
      const workItems = on.work.accepted - accepted;
      table.push({ victim: victim.name, away, acknowledged: verdict.acknowledged, ...figures, workItems });
      t.diagnostic(JSON.stringify(table.at(-1)));
      const all = plan.devices.length * plan.messagesPerDevice;
      assert.deepEqual(verdict, { acknowledged: all, stored: all, lost: 0, doubled: 0, unknown: 0 });
      assert.ok(before > 0 && before < all, "the load went on into the outage");
      if (victim.breaksConnections) assert.ok(resent > 0, "messages were in flight");
      assert.ok(flowAfterMs <= BACK_MS, `flow back after ${flowAfterMs} ms`);
      assert.ok(rssGrowthMb <= GROWTH_MB_MAX, `a process grew by ${rssGrowthMb} MB`);
      assert.ok(workItems > 0, "work went on");
    });

test("every item of work that was accepted before, during and after all these outages is done, expired or dead with its cause, exactly one of them", {
  timeout: 180_000,
}, async (t) => {
  t.diagnostic(`${on.work.accepted} items accepted`);
  assert.deepEqual(await on.work.wrongs(t), []);
});

test("control: the same check finds what is lost when an offset is committed before the handler", {
  timeout: 180_000,
}, async (t) => {
  const control = new URL("../engines/controls/commit-before-handler.ts", import.meta.url).href;
  await on.cluster.processes.get("consumers")?.stop();
  const broken = await on.cluster.start("consumers", { NODE_OPTIONS: `--import=${control}` });
  const victim = {
    async kill() {
      await t.waitFor(() => assert.match(broken.output(), /hangs in between/), WAIT);
      await broken.kill("SIGKILL");
    },
    start: async () => void (await on.cluster.start("consumers")),
  };
  // One device: what is lost is waited for in vain.
  const { verdict } = await outageOf(t, on, { victim, awayMs: 3000, devices: 1 });
  t.diagnostic(JSON.stringify(verdict));
  const { lost, doubled, unknown } = verdict;
  assert.ok(lost > 0);
  assert.deepEqual({ doubled, unknown }, { doubled: 0, unknown: 0 });
});

test("control: the same check finds what is lost when confirmations are not awaited", {
  timeout: 180_000,
}, async (t) => {
  const work = new WorkFlow(on.rabbitmq, { paceMs: BROKEN_PACE_MS, broken: "no-confirms" });
  t.after(() => work.dispose());
  await work.begin();
  await rabbitMq.kill(on);
  await sleep(3000);
  await rabbitMq.start(on);
  await sleep(1500);
  const lost = (await work.wrongs(t)).filter((wrong) => /^done .*: lost$/.test(wrong));
  t.diagnostic(`${lost.length} items lost`);
  assert.ok(lost.length > 0);
});

for (const engine of VICTIMS.filter((victim) => victim.engine))
  test(`while ${engine.name} is away every process stops within 10 s, under load`, { timeout: 120_000 }, async (t) => {
    await Promise.all([...stopped].map((name) => on.cluster.start(name)));
    stopped.clear();
    await t.waitFor(
      async () => assert.equal((await fetch(`${on.cluster.urls["http"]}/health/ready`)).status, 200),
      WAIT,
    );
    await load(t, on, 60_000);
    await engine.kill(on);
    t.after(() => engine.start(on));
    await sleep(500);
    const begun = performance.now();
    const ends = await Promise.all(
      [...on.cluster.processes].map(async ([name, one]) => {
        const { code, signal } = await one.stop();
        stopped.add(name);
        return { name, ms: Math.round(performance.now() - begun), end: signal ?? code };
      }),
    );
    t.diagnostic(ends.map(({ name, ms, end }) => `${name} ended with ${end} after ${ms} ms`).join(", "));
    assert.ok(performance.now() - begun < STOP_MS);
    assert.deepEqual(
      ends.filter(({ end }) => end !== 0),
      [],
    );
  });

test("nothing was left to itself: no process has said a word of an unhandled rejection", () => {
  assert.doesNotMatch(on.cluster.output(), /unhandled|uncaught/i);
});
