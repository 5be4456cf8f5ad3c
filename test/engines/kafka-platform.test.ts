import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ask, judgeAll, planFor, publisherFile } from "../kill/procedure.ts";
import { startKafka } from "../support/engines/kafka.ts";
import type { Engine } from "../support/engines/process.ts";
import { type Platform, startPlatform } from "../support/platform.ts";
import { restClient } from "../support/rest.ts";

const MESSAGES = 40_000;
const AWAY_MS = 3000;
const BACK_MS = 15_000;

let kafka: Engine;
before(async () => {
  kafka = await startKafka();
  console.log(kafka.version);
});
after(() => kafka.dispose());

/** A platform on Kafka, and a publisher in a process of its own that writes down what was acknowledged. */
async function underLoad(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-on-kafka-"));
  let [platform, publisher]: [Platform | undefined, ChildProcess | undefined] = [undefined, undefined];
  t.after(async () => {
    publisher?.kill("SIGKILL");
    await platform?.kill("SIGKILL");
    rmSync(folder, { recursive: true, maxRetries: 3 });
  });
  const env = { KAFKA_BROKERS: `127.0.0.1:${kafka.port}`, LOG_LEVEL: "warn" };
  platform = await startPlatform({ env, dataDir: join(folder, "data"), readyMs: 60_000 });
  const rest = restClient(platform.http);
  const plan = await planFor(rest, platform, MESSAGES, join(folder, "acknowledged.log"));
  publisher = fork(publisherFile, [JSON.stringify(plan)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  return { platform, publisher, rest, plan, ended: once(publisher, "exit") as Promise<[number | null]> };
}

test("Kafka is killed for 3 s under load: what was acknowledged is stored exactly once, and it flows again within 15 s", {
  timeout: 180_000,
}, async (t) => {
  const { platform, publisher, rest, plan, ended } = await underLoad(t);
  const acknowledged = async () => (await ask(publisher)).acknowledged;
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
  for (; publisher.connected; await sleep(50)) await ask(publisher).catch(() => {});
  const [code] = await ended;
  assert.equal(code, 0, `the publisher ended with ${code}`);
  const verdict = await judgeAll(rest, plan);
  t.diagnostic(JSON.stringify(verdict));
  assert.deepEqual(verdict, { acknowledged: MESSAGES, stored: MESSAGES, lost: 0, doubled: 0, unknown: 0 });
  assert.doesNotMatch(platform.output(), /unhandled/i);
  assert.deepEqual(await platform.stop(), { code: 0, signal: null });
});
