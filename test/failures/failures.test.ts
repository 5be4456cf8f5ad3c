import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { rssMb } from "../../bench/process-figures.ts";
import { RabbitmqWorkAdapter } from "../../lib/channels/rabbitmq/rabbitmq-work.ts";
import { drained } from "../engines/drained.ts";
import { acknowledgedOf } from "../kill/oracle.ts";
import { ask, judgeAll, publisherFile } from "../kill/procedure.ts";
import type { Plan } from "../kill/publisher.ts";
import { burials, wrongsOf } from "../ports/work-channel/lives.ts";
import { readLedger, startWorker } from "../ports/work-channel/worker-process.ts";
import { startMongo } from "../support/engines/mongo.ts";
import { type RestClient, restClient } from "../support/rest.ts";
import { type ClusterOnEngines, startClusterOnEngines, type Victim } from "./cluster-on-engines.ts";

// FAILURES_FULL adds the longest outages, `npm run test:failures -- --full`.
const FULL = process.env["FAILURES_FULL"] === "1";
const RATE_PER_SECOND = 500;
const DEVICES = 2;
const BEFORE_MS = 1500;
const AFTER_MS = 2000;
const BACK_MS = 15_000;
const GROWTH_MB_MAX = 150;
const FIRST_TS = 1_700_000_000_000;
/** Each of two workers publishes four items in so many milliseconds. */
const WORK_PACE_MS = 16;

interface Row {
  victim: string;
  awayMs: number;
  acknowledged: number;
  resent: number;
  /** From its return until what was sent afterwards is read by REST. */
  flowAfterMs: number;
  rssGrowthMb: number;
}
const table: Row[] = [];

let on: ClusterOnEngines;
let rest: RestClient;
let [undo, runs]: [(() => Promise<void>)[], number] = [[], 0];
before(
  async () => {
    on = await startClusterOnEngines({
      diagnostic: (text: string) => console.log(text),
      after: (work: () => Promise<void>) => undo.push(work),
    } as unknown as TestContext);
    rest = restClient(String(on.cluster.urls["http"]));
  },
  { timeout: 180_000 },
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

const outages: [victim: string, seconds: number[]][] = [
  ["Kafka", [3, 15]],
  ["RabbitMQ", [3, 15]],
  ["NATS", [3]],
  ["the Mongo-wire server", [3]],
  ...["gateway", "device-registry", "mqtt-bridge", "telemetry", "consumers", "dead-letters"].map(
    (name): [string, number[]] => [`process ${name}`, [3]],
  ),
];
for (const [name, seconds] of outages)
  for (const away of FULL ? [...seconds, 60] : seconds)
    test(
      `${name} is killed under ${RATE_PER_SECOND} messages a second and away for ${away} s: acknowledged = stored exactly once, flow back within 15 s`,
      {
        timeout: 240_000 + 2000 * away,
      },
      (t) => outage(t, name, away * 1000),
    );

test("nothing was left to itself: no unhandled rejection, and every process stops in time", async () => {
  const begun = performance.now();
  assert.equal((await on.cluster.stop()).code, 0);
  assert.ok(performance.now() - begun < 10_000);
  assert.doesNotMatch(on.cluster.output(), /unhandled|uncaught/i);
});

async function outage(t: TestContext, name: string, awayMs: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-outage-"));
  const victim = on.victims.get(name) as Victim;
  const plan = await planFor(++runs, awayMs, join(folder, "acknowledged.log"));
  const work = name === "RabbitMQ" ? await workUnderLoad(t) : undefined;
  const publisher = fork(publisherFile, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ended = once(publisher, "exit") as Promise<[number | null]>;
  t.after(() => {
    publisher.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  await sleep(BEFORE_MS);
  const rssBefore = residentMb();
  await victim.kill();
  await sleep(awayMs);
  await victim.start();
  const back = performance.now();
  const flowAfterMs = await flowsAgain(plan, back);
  let resent = 0;
  for (; publisher.connected; await sleep(50))
    resent = await ask(publisher).then(
      (state) => state.resent,
      () => resent,
    );
  assert.deepEqual(await ended, [0, null], "the publisher has all its acknowledgements");
  const rssGrowthMb = Math.max(...[...residentMb()].map(([pid, mb]) => mb - (rssBefore.get(pid) ?? mb)));
  const { acknowledged, ...verdict } = await judgeAll(rest, plan, BACK_MS);
  table.push({ victim: name, awayMs, acknowledged, resent, flowAfterMs, rssGrowthMb: Math.round(rssGrowthMb) });
  t.diagnostic(JSON.stringify(table.at(-1)));
  assert.deepEqual({ acknowledged, ...verdict }, { ...allOf(plan), lost: 0, doubled: 0, unknown: 0 });
  assert.ok(flowAfterMs <= BACK_MS, `flow back after ${flowAfterMs} ms`);
  assert.ok(rssGrowthMb <= GROWTH_MB_MAX, `a process grew by ${rssGrowthMb} MB`);
  await work?.judge();
  // The stand-in for MongoDB looks at every reading that it has, whatever is asked for.
  for (const { id } of plan.devices) await rest.request("DELETE", `/v1/devices/${id}?readings=delete`);
}

const allOf = ({ devices, messagesPerDevice }: Plan) => ({
  acknowledged: devices.length * messagesPerDevice,
  stored: devices.length * messagesPerDevice,
});

async function planFor(run: number, awayMs: number, logFile: string): Promise<Plan> {
  const devices: Plan["devices"] = [];
  for (let index = 0; index < DEVICES; index++) {
    const id = `outage-${run}-${index}`;
    await rest.register(id);
    devices.push({ id, secret: await rest.credential(id), version: index % 2 === 0 ? 4 : 5 });
  }
  const perSecond = RATE_PER_SECOND / DEVICES;
  const messagesPerDevice = Math.ceil(((BEFORE_MS + awayMs + AFTER_MS) / 1000) * perSecond);
  return {
    ...{ mqtt: String(on.cluster.urls["mqtt"]), devices, messagesPerDevice, perSecond, logFile },
    ...{ firstTs: FIRST_TS, window: 1000 },
  };
}

/** Milliseconds from the return until a message that was acknowledged after it is read by REST. */
async function flowsAgain({ devices, messagesPerDevice, logFile }: Plan, back: number): Promise<number> {
  const [{ id } = { id: "" }] = devices;
  const newestAcknowledged = () => Math.max(-1, ...(acknowledgedOf(logFile).get(id) ?? []));
  // Where the outage let everything pass there may be nothing to come.
  const before = Math.min(newestAcknowledged(), messagesPerDevice - 2);
  for (;;) {
    const read = await newestRead(id);
    if (read > before && newestAcknowledged() > before) return Math.round(performance.now() - back);
    if (performance.now() - back > 4 * BACK_MS) return Number.POSITIVE_INFINITY;
    await sleep(50);
  }
}

/** Number of the newest reading that REST tells of; -1 where it tells nothing. */
async function newestRead(id: string): Promise<number> {
  try {
    // A call that was on its way at the end of the outage would be waited for to its own limit.
    const signal = AbortSignal.timeout(2000);
    const response = await fetch(`${on.cluster.urls["http"]}/v1/devices/${id}/readings?order=desc&limit=1`, { signal });
    const { items } = (await response.json()) as { items?: { values: { n: number } }[] };
    return items?.[0]?.values.n ?? -1;
  } catch {
    return -1;
  }
}

const residentMb = () =>
  new Map(
    on.cluster.pids.flatMap((pid): [number, number][] => {
      try {
        return [[pid, rssMb(pid)]];
      } catch {
        return [];
      }
    }),
  );

/** Two processes that publish and work through the platform's work channel; their ledger says what was promised and done. */
async function workUnderLoad(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "ganglion-work-"));
  const workers: ChildProcess[] = [];
  t.after(() => {
    for (const worker of workers) worker.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  const { url } = on.rabbitmq;
  const options = { dir, rabbitmq: url, handlerMs: 10, deliveriesMax: 6, publishes: true, paceMs: WORK_PACE_MS };
  for (const life of [1, 2]) workers.push(await startWorker({ ...options, life }));
  // RabbitMQ 3.10 may lose a quorum queue that is younger than a moment.
  await sleep(1000);
  return {
    async judge() {
      const codes = await drained(on.rabbitmq, workers, options);
      assert.deepEqual(new Set(codes), new Set([0]), "no unhandled rejection");
      const adapter = new RabbitmqWorkAdapter({ url, prefix: basename(dir), channels: ["jobs", "other"] });
      const ledger = readLedger(dir);
      assert.ok(ledger.filter(({ what }) => what === "acknowledged").length > 200, "there was work");
      assert.deepEqual(wrongsOf({ ledger, ...(await burials(t, adapter, true)) }), []);
    },
  };
}
