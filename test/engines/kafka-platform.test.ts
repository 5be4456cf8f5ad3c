import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, judgeAll, planFor, publisherFile, throughRest } from "../kill/procedure.ts";
import { startKafka } from "../support/engines/kafka.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const MESSAGES = 40_000;
const AWAY_MS = 3000;
const BACK_MS = 15_000;
/** A process that was killed holds its partitions until its session is over; then the next one has them. */
const SESSION_OVER_MS = 20_000;

/** A platform on Kafka, and a publisher in a process of its own that writes down what was acknowledged. */
async function underLoad(t: TestContext, nodeOptions: string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-on-kafka-"));
  const kafka = await startKafka();
  t.diagnostic(kafka.version);
  let [platform, publisher]: [Platform | undefined, ChildProcess | undefined] = [undefined, undefined];
  t.after(async () => {
    publisher?.kill("SIGKILL");
    await platform?.kill("SIGKILL");
    await kafka.dispose();
    rmSync(folder, { recursive: true, maxRetries: 3 });
  });
  const env = { KAFKA_BROKERS: `127.0.0.1:${kafka.port}`, LOG_LEVEL: "warn" };
  const options = { env, nodeOptions, dataDir: join(folder, "data"), readyMs: 60_000 };
  platform = await startPlatform(options);
  const { addresses } = platform;
  const rest = restClient(platform.http);
  const plan = await planFor(rest, platform, MESSAGES, join(folder, "acknowledged.log"));
  publisher = fork(publisherFile, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const child = publisher;
  const ended = once(child, "exit") as Promise<[number | null]>;
  return {
    kafka,
    platform,
    rest,
    plan,
    acknowledged: async () => (await ask(child)).acknowledged,
    /** SIGKILL, and another one at the same addresses, of the right build in any case. */
    async killPlatform() {
      await platform?.kill("SIGKILL");
      platform = await startPlatform({ ...options, nodeOptions: [], env: { ...env, ...addresses } });
    },
    /** Resolves when everything is acknowledged. */
    async finished() {
      for (; child.connected; await sleep(50)) await ask(child).catch(() => {});
      const [code] = await ended;
      assert.equal(code, 0, `the publisher ended with ${code}`);
    },
  };
}

test("Kafka is killed for 3 s under load: what was acknowledged is stored exactly once, and it flows again within 15 s", {
  timeout: 180_000,
}, async (t) => {
  const { kafka, platform, rest, plan, acknowledged, finished } = await underLoad(t);
  while ((await acknowledged()) < MESSAGES / 8) await sleep(20);
  await kafka.kill();
  await sleep(AWAY_MS / 2);
  const whileAway = await acknowledged();
  await sleep(AWAY_MS / 2);
  assert.equal(await acknowledged(), whileAway, "nothing is acknowledged without Kafka");
  assert.ok(whileAway < MESSAGES, "the load went on into the outage");
  const ready = await fetch(`${platform.http}/health/ready`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /Kafka/);
  await kafka.start();
  const back = performance.now();
  while ((await acknowledged()) === whileAway) {
    assert.ok(performance.now() - back < BACK_MS, "messages flow again");
    await sleep(20);
  }
  t.diagnostic(`flows again ${Math.round(performance.now() - back)} ms after Kafka's port opened`);
  await finished();
  const verdict = await judgeAll(throughRest(rest), plan);
  t.diagnostic(JSON.stringify(verdict));
  assert.deepEqual(verdict, { acknowledged: MESSAGES, stored: MESSAGES, lost: 0, doubled: 0, unknown: 0 });
  assert.doesNotMatch(platform.output(), /unhandled/i);

  await kafka.kill();
  const begun = performance.now();
  assert.deepEqual(await platform.stop(), { code: 0, signal: null }, platform.output());
  t.diagnostic(`stopped without Kafka in ${Math.round(performance.now() - begun)} ms`);
  await kafka.start();
});

/** Kills the platform while it consumes and the load goes on, and judges what is stored in the end. */
async function killed(t: TestContext, control?: { nodeOptions: string[]; until: RegExp }) {
  const { platform, rest, plan, acknowledged, killPlatform, finished } = await underLoad(t, control?.nodeOptions);
  const stored = async () =>
    (await rest.request("GET", `/v1/devices/${plan.devices[0]?.id}/readings?limit=1`)) as { items: unknown[] };
  while ((await acknowledged()) < MESSAGES / 8 || (await stored()).items.length === 0) await sleep(5);
  if (control) await t.waitFor(() => assert.match(platform.output(), control.until), { timeout: 15_000 });
  await killPlatform();
  await finished();
  const verdict = await judgeAll(throughRest(rest), plan, SESSION_OVER_MS);
  t.diagnostic(JSON.stringify(verdict));
  return verdict;
}

test("the platform is killed under load: what Kafka acknowledged is stored exactly once", {
  timeout: 180_000,
}, async (t) => {
  const verdict = await killed(t);
  assert.deepEqual(verdict, { acknowledged: MESSAGES, stored: MESSAGES, lost: 0, doubled: 0, unknown: 0 });
});

test("control: the same check finds what is lost when an offset is committed before the handler", {
  timeout: 180_000,
}, async (t) => {
  const control = new URL("./controls/commit-before-handler.ts", import.meta.url).href;
  const verdict = await killed(t, { nodeOptions: [`--import=${control}`], until: /hangs in between/ });
  assert.ok(verdict.lost > 0);
});
