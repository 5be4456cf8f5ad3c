import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RabbitmqWorkAdapter } from "../../lib/channels/rabbitmq/rabbitmq-work.ts";
import { kill } from "../ports/facts-channel/worker-process.ts";
import { burials, wrongsOf } from "../ports/work-channel/lives.ts";
import type { WorkerOptions } from "../ports/work-channel/worker.ts";
import { readLedger, startWorker } from "../ports/work-channel/worker-process.ts";
import { workingBroker } from "../ports/work-channel/working-broker.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";
import { drained } from "./drained.ts";

let server: RabbitMq;
before(async () => {
  server = await startRabbitMq();
});
after(() => server.dispose());

const AWAY_MS = 3000;
/** Four items a round from each of two workers: 500 a second. */
const PACE_MS = 16;

const adapterOf = (dir: string) =>
  new RabbitmqWorkAdapter({ url: server.url, prefix: basename(dir), channels: ["jobs", "other"] });

function newFolder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "work-outage-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function startWorkers(t: TestContext, dir: string, broken?: WorkerOptions["broken"]): Promise<ChildProcess[]> {
  const options = { dir, rabbitmq: server.url, handlerMs: 10, deliveriesMax: 6, publishes: true, paceMs: PACE_MS };
  const workers: ChildProcess[] = [];
  t.after(() => Promise.all(workers.map(kill)));
  for (const life of [1, 2]) workers.push(await startWorker({ ...options, life, ...(broken ? { broken } : {}) }));
  return workers;
}

/** Held for a moment, so that messages are on their way to it, then killed as if its machine had died. */
async function dies(): Promise<void> {
  server.freeze();
  await sleep(300);
  await server.kill();
}

const accepted = (dir: string) => readLedger(dir).filter(({ what }) => what === "acknowledged").length;

/** Two workers under load; RabbitMQ dies and returns; what they were promised, and what came of it. */
async function outage(t: TestContext, broken?: WorkerOptions["broken"]) {
  const dir = newFolder(t);
  const workers = await startWorkers(t, dir, broken);
  // RabbitMQ 3.10 may lose a quorum queue that is younger than a moment.
  await sleep(2500);
  await dies();
  const before = accepted(dir);
  await sleep(AWAY_MS);
  await server.start();
  const back = performance.now();
  await t.waitFor(() => assert.ok(accepted(dir) > before), { timeout: 30_000 });
  const flowsAfterMs = performance.now() - back;
  await sleep(1500);
  const codes = await drained(server, workers, { dir, rabbitmq: server.url, handlerMs: 10, deliveriesMax: 6 });
  return { before, flowsAfterMs, codes, ledger: readLedger(dir), ...(await burials(t, adapterOf(dir), true)) };
}

test(`every accepted item ends once as done, expired or dead with its cause, although RabbitMQ is killed under load and away for ${AWAY_MS} ms`, async (t) => {
  const { before, flowsAfterMs, codes, ...aftermath } = await outage(t);
  assert.ok(before > 200, "there was load");
  assert.ok(
    aftermath.ledger.some(({ what }) => what === "refused"),
    "the outage was seen by who published",
  );
  assert.deepEqual(wrongsOf(aftermath), []);
  assert.deepEqual(new Set(codes), new Set([0]), "no unhandled rejection");
  assert.ok(flowsAfterMs < 15_000, `flow back after ${flowsAfterMs} ms`);
  t.diagnostic(`${before} accepted before; flow back ${Math.round(flowsAfterMs)} ms after its port`);
});

test("control: the same check finds what is lost when confirmations are not awaited", async (t) => {
  const { codes: _codes, ...aftermath } = await outage(t, "no-confirms");
  assert.ok(wrongsOf(aftermath).some((wrong) => wrong.startsWith("done ") && wrong.endsWith(": lost")));
});

test("while RabbitMQ is away, or hangs, stop ends within 10 s, also with items in work", async (t) => {
  for (const away of [() => server.kill(), async () => server.freeze()]) {
    const workers = await startWorkers(t, newFolder(t));
    await sleep(500);
    await away();
    try {
      await sleep(500);
      const asked = performance.now();
      const exits = workers.map((worker) => once(worker, "exit"));
      for (const worker of workers) worker.send("stop");
      for (const [code] of await Promise.all(exits)) assert.equal(code, 0);
      assert.ok(performance.now() - asked < 10_000);
    } finally {
      server.thaw();
      await server.kill();
      await server.start();
    }
  }
});

test("a service that waits for its item when it stops does not wait for a RabbitMQ that hangs: it is rejected", async (t) => {
  const broker = await workingBroker(adapterOf(newFolder(t)));
  await broker.publish("jobs", { n: 0 });
  const said: string[] = [];
  broker.createService({
    name: "waiting",
    stopped: () => broker.publish("jobs", { n: 1 }).catch(({ type }) => void said.push(type)),
  });
  await broker.waitForServices("waiting");
  server.freeze();
  try {
    const asked = performance.now();
    await broker.stop();
    assert.deepEqual(said, ["CHANNEL_COMMIT_FAILED"]);
    assert.ok(performance.now() - asked < 10_000);
  } finally {
    server.thaw();
  }
});
