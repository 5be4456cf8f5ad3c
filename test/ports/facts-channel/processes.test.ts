import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";
import { type Consumer, consumingBroker } from "./consuming-broker.ts";
import { kill, readLedger, startWorker, told } from "./worker-process.ts";

/** A folder, this process's broker on it, and workers that end with the test. */
function folder(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "facts-processes-"));
  const ends: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    await Promise.all(ends.map((end) => end()));
    rmSync(dir, { recursive: true });
  });
  return {
    dir,
    handled: () => readLedger(dir).filter(({ what }) => what === "handled"),
    acknowledged: () => readLedger(dir).filter(({ what }) => what === "acknowledged"),
    async worker(options: Partial<Parameters<typeof startWorker>[0]> = {}): Promise<ChildProcess> {
      const child = await startWorker({ dir, ...options });
      ends.push(() => kill(child));
      return child;
    },
    async broker(consumers: Record<string, Consumer[]> = {}) {
      const broker = await consumingBroker(
        new SqliteFactsAdapter({ file: join(dir, "facts.db"), pollMs: 20 }),
        consumers,
      );
      ends.push(() => broker.stop());
      const send = (from: number, to: number) =>
        Promise.all(
          Array.from({ length: to - from + 1 }, (_, i) =>
            broker.publish("readings", { life: 0, n: from + i }, { key: "k" }),
          ),
        );
      return { broker, send };
    },
  };
}

const WAIT = { timeout: 20_000 };

test("several processes that start on a new file at once all come up", async (t) => {
  const { worker } = folder(t);
  const workers = await Promise.all([worker(), worker(), worker(), worker()]);
  assert.deepEqual(
    workers.map(({ exitCode }) => exitCode),
    [null, null, null, null],
  );
});

test("a consumer notices what another process publishes", async (t) => {
  const { broker, worker, acknowledged } = folder(t);
  const seen: string[] = [];
  const handler = (batch: { n: number }[], raw: { key: string }[]) =>
    void seen.push(...batch.map(({ n }, i) => `${raw[i]?.key} ${n}`));
  await broker({ readings: [{ group: "here", batch: {}, handler: handler as Consumer["handler"] }] });
  const publisher = await worker({ publishes: true });
  await t.waitFor(() => assert.ok(acknowledged().length > 30), WAIT);
  publisher.send("stop");
  await once(publisher, "exit");
  const expected = acknowledged().map(({ key, n }) => `${key} ${n}`);
  await t.waitFor(() => assert.deepEqual([...seen].sort(), expected.sort()), WAIT);
});

test("of two processes with one group only one takes; when it is killed the other does at once, without awaiting its lease", async (t) => {
  const { broker, worker, handled } = folder(t);
  const first = await worker({ leaseMs: 3_600_000 });
  const second = await worker({ leaseMs: 3_600_000 });
  const { send } = await broker();
  await send(1, 100);
  await t.waitFor(() => assert.equal(handled().length, 100), WAIT);
  assert.deepEqual([...new Set(handled().map(({ pid }) => pid))], [first.pid]);
  await kill(first);
  await send(101, 200);
  await t.waitFor(() => assert.equal(handled().length, 200), WAIT);
  assert.deepEqual(
    [
      ...new Set(
        handled()
          .slice(100)
          .map(({ pid }) => pid),
      ),
    ],
    [second.pid],
  );
});

test("a taker that stops hands its group over at once", async (t) => {
  const { broker, worker, handled } = folder(t);
  const first = await worker({ leaseMs: 3_600_000 });
  const second = await worker({ leaseMs: 3_600_000 });
  const { send } = await broker();
  first.send("stop");
  await once(first, "exit");
  await send(1, 100);
  await t.waitFor(() => assert.equal(handled().length, 100), WAIT);
  assert.deepEqual([...new Set(handled().map(({ pid }) => pid))], [second.pid]);
});

test("a taker that hangs loses its group when its lease expires, and its late commit changes nothing", async (t) => {
  const { dir, broker, worker, handled } = folder(t);
  const hangsUntil = join(dir, "goes-on");
  const hung = await worker({ leaseMs: 400, batchSize: 1, hangsUntil });
  const other = await worker({ leaseMs: 400, batchSize: 1 });
  const { send, broker: operator } = await broker();
  const handling = told(hung, "handling");
  await send(1, 20);
  await handling;
  const of = ({ pid }: ChildProcess) =>
    handled()
      .filter((entry) => entry.pid === pid)
      .map(({ n }) => n);
  const all = Array.from({ length: 20 }, (_, i) => i + 1);
  await t.waitFor(() => assert.deepEqual(of(other), all), WAIT);
  await t.waitFor(async () => assert.equal(await operator.facts.lag("readings", "store"), 0), WAIT);

  writeFileSync(hangsUntil, "");
  await t.waitFor(() => assert.deepEqual(of(hung), [1]), WAIT);
  hung.send("stop");
  await once(hung, "exit");
  assert.equal(await operator.facts.lag("readings", "store"), 0);
  await send(21, 21);
  await t.waitFor(() => assert.deepEqual(of(other), [...all, 21]), WAIT);
});
