import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { kill, told } from "../facts-channel/worker-process.ts";
import type { KillEngine } from "./lives.ts";
import { readLedger, startWorker } from "./worker-process.ts";
import { workingBroker } from "./working-broker.ts";

export const WAIT = { timeout: 20_000 };

/** A folder, this process's broker on it, and workers that end with the test. */
export async function folder(t: TestContext, engine: KillEngine) {
  const dir = mkdtempSync(join(tmpdir(), "work-processes-"));
  const ends: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    await Promise.all(ends.map((end) => end()));
    rmSync(dir, { recursive: true });
  });
  const broker = await workingBroker(engine.create(dir));
  ends.push(() => broker.stop());
  return {
    dir,
    of: (what: "handling" | "handled", child?: ChildProcess) =>
      readLedger(dir)
        .filter((entry) => entry.what === what && (!child || entry.pid === child.pid))
        .map(({ n }) => n),
    async worker(options: Partial<Parameters<typeof startWorker>[0]> = {}): Promise<ChildProcess> {
      const child = await startWorker({ dir, ...engine.worker(), ...options });
      ends.push(() => kill(child));
      return child;
    },
    send: (from: number, to: number) =>
      Promise.all(
        Array.from({ length: to - from + 1 }, (_, i) => broker.publish("jobs", { fate: "done", life: 0, n: from + i })),
      ),
    depth: async () => (await broker.work.depths()).find(({ channel }) => channel === "jobs")?.depth ?? 0,
  };
}

const sorted = (list: number[]) => [...list].sort((a, b) => a - b);
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** What several processes on one engine may rely on. */
export function processesSuite(engine: KillEngine): void {
  test("several processes share the work, and none of it is done twice", async (t) => {
    const { worker, send, of, depth } = await folder(t, engine);
    const workers = await Promise.all([worker({ handlerMs: 5 }), worker({ handlerMs: 5 }), worker({ handlerMs: 5 })]);
    await send(1, 300);
    await t.waitFor(() => assert.deepEqual(sorted(of("handled")), numbers(1, 300)), WAIT);
    await t.waitFor(async () => assert.equal(await depth(), 0), WAIT);
    assert.equal(of("handling").length, 300);
    for (const child of workers) assert.ok(of("handled", child).length > 0, "each had a part of it");
  });

  test("what a killed process had in work goes to another at once, without awaiting its lease", async (t) => {
    const { worker, send, of, depth } = await folder(t, engine);
    const first = await worker({ leaseMs: 3_600_000, handlerMs: 3_600_000 });
    await send(1, 5);
    await t.waitFor(() => assert.equal(of("handling", first).length, 5), WAIT);
    const second = await worker({ leaseMs: 3_600_000 });
    assert.deepEqual(of("handling", second), []);
    await kill(first);
    await t.waitFor(() => assert.deepEqual(sorted(of("handled", second)), numbers(1, 5)), WAIT);
    await t.waitFor(async () => assert.equal(await depth(), 0), WAIT);
  });

  test("a process that hangs loses its items when their lease ends, and its late end changes nothing", async (t) => {
    const { dir, worker, send, of, depth } = await folder(t, engine);
    const hangsUntil = join(dir, "goes-on");
    const hung = await worker({ leaseMs: 400, hangsUntil });
    const handling = told(hung, "handling");
    await send(1, 1);
    await handling;
    const other = await worker({ leaseMs: 400 });
    await send(2, 10);
    await t.waitFor(() => assert.deepEqual(sorted(of("handled", other)), numbers(1, 10)), WAIT);
    await t.waitFor(async () => assert.equal(await depth(), 0), WAIT);
    writeFileSync(hangsUntil, "");
    await t.waitFor(() => assert.deepEqual(of("handled", hung), [1]), WAIT);
    await send(11, 11);
    const all = () => sorted([...of("handled", other), ...of("handled", hung)]);
    await t.waitFor(() => assert.deepEqual(all(), [1, ...numbers(1, 11)]), WAIT);
    await t.waitFor(async () => assert.equal(await depth(), 0), WAIT);
    hung.send("stop");
    await once(hung, "exit");
  });
}
