import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { EngineUnavailableError } from "../../lib/channels/errors.ts";
import { KafkaFactsAdapter, type KafkaFactsOptions } from "../../lib/channels/kafka/kafka-facts.ts";
import { type Consumer, consumingBroker } from "../ports/facts-channel/consuming-broker.ts";
import { startKafka } from "../support/engines/kafka.ts";
import type { Engine } from "../support/engines/process.ts";

interface Numbered {
  n: number;
}

const AWAY_MS = 3000;
const BACK = { timeout: 15_000 };
const KEYS = 4;

let kafka: Engine;
before(async () => {
  kafka = await startKafka();
});
after(() => kafka.dispose());

/** A broker on channels of its own; what is not stopped by the test is when it ends. */
async function started(
  t: TestContext,
  consumers: Record<string, Consumer[]> = {},
  options: Partial<KafkaFactsOptions> = {},
) {
  const adapter = new KafkaFactsAdapter({
    where: { brokers: [`127.0.0.1:${kafka.port}`] },
    prefix: randomUUID(),
    partitions: 3,
    ...options,
  });
  const broker = await consumingBroker(adapter, consumers);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= broker.stop();
    return stopped;
  };
  t.after(stop);
  return { adapter, broker, stop };
}

test("Kafka is killed for 3 s: every message is acknowledged and delivered in the order of its key, and trouble is told", async (t) => {
  const seen: Numbered[] = [];
  const store: Consumer = {
    group: "store",
    batch: { size: 50 },
    handler: (batch: Numbered[]) => void seen.push(...batch),
  };
  const { adapter, broker } = await started(t, { readings: [store] });
  const acknowledged: number[] = [];
  const sent: Promise<unknown>[] = [];
  let sending = true;
  const sender = (async () => {
    for (let n = 0; sending; n++, await sleep(2))
      sent.push(broker.publish("readings", { n }, { key: `k${n % KEYS}` }).then(() => acknowledged.push(n)));
  })();
  await t.waitFor(() => assert.ok(seen.length > 100), BACK);
  await kafka.kill();
  await sleep(AWAY_MS);
  const [acknowledgedBefore, seenBefore] = [acknowledged.length, seen.length];
  await t.waitFor(() => assert.match(String(adapter.trouble), /Kafka/), BACK);
  await kafka.start();
  await t.waitFor(() => assert.ok(acknowledged.length > acknowledgedBefore && seen.length > seenBefore), BACK);
  await t.waitFor(() => assert.equal(adapter.trouble, undefined), BACK);
  sending = false;
  await sender;
  await Promise.all(sent);
  await t.waitFor(() => assert.ok(new Set(seen.map(({ n }) => n)).size === sent.length), BACK);
  for (let key = 0; key < KEYS; key++) {
    const firsts = [...new Set(seen.map(({ n }) => n).filter((n) => n % KEYS === key))];
    assert.deepEqual(
      firsts,
      firsts.toSorted((a, b) => a - b),
      `order of key ${key}`,
    );
  }
  t.diagnostic(`${seen.length - sent.length} of ${sent.length} were delivered twice`);
});

test("an outage of a handler's engine that outlasts Kafka's own is over when both are back", async (t) => {
  const seen = new Set<number>();
  let away = true;
  const store: Consumer = {
    group: "store",
    batch: {},
    handler(batch: Numbered[]) {
      if (away) throw new EngineUnavailableError("the store is away");
      for (const { n } of batch) seen.add(n);
    },
  };
  const { broker } = await started(t, { readings: [store] }, { retryMs: 20, retryMaxMs: 200 });
  const send = (n: number) => broker.publish("readings", { n }, { key: "k" });
  await Promise.all([1, 2, 3].map(send));
  await sleep(1000);
  await kafka.kill();
  await sleep(AWAY_MS);
  await kafka.start();
  await sleep(1000);
  away = false;
  await send(4);
  await t.waitFor(() => assert.deepEqual([...seen].toSorted(), [1, 2, 3, 4]), { timeout: 30_000 });
});

test("what waits for Kafka is bounded; above the bound publishing is refused with 429", async (t) => {
  const { broker } = await started(t, {}, { pendingMax: 10 });
  await broker.publish("readings", { n: 0 }, { key: "k" });
  await kafka.kill();
  const waiting = Array.from({ length: 10 }, (_, n) => broker.publish("readings", { n }, { key: "k" }));
  await assert.rejects(broker.publish("readings", { n: 11 }, { key: "k" }), { type: "CHANNEL_FULL", code: 429 });
  await kafka.start();
  await Promise.all(waiting);
});

test("stop ends within 10 s with Kafka away; what was not acknowledged is rejected, and questions answer 503", async (t) => {
  const handler = () => {};
  const { adapter, broker, stop } = await started(t, {
    readings: [
      { group: "a", handler },
      { group: "b", batch: {}, handler },
    ],
    other: [{ group: "c", handler }],
  });
  await broker.publish("readings", { n: 0 }, { key: "k" });
  await kafka.kill();
  const waiting = broker.publish("readings", { n: 1 }, { key: "k" });
  const refused = assert.rejects(waiting, { type: "CHANNEL_COMMIT_FAILED", code: 503, outage: true });
  await assert.rejects(adapter.lags(), { type: "ENGINE_UNAVAILABLE", code: 503 });
  const begun = performance.now();
  await stop();
  assert.ok(performance.now() - begun < 10_000, `stop took ${Math.round(performance.now() - begun)} ms`);
  await refused;
  await kafka.start();
});

test("a service that waits for its messages when it stops does not wait for a Kafka that is away: they are rejected", async (t) => {
  const { broker, stop } = await started(t);
  await broker.publish("readings", { n: 0 }, { key: "k" });
  await kafka.kill();
  const said: string[] = [];
  const send = (n: number) => broker.publish("readings", { n }, { key: "k" }).catch(({ type }) => said.push(type));
  broker.createService({
    name: "waiting",
    async stopped() {
      await send(1);
      await send(2);
    },
  });
  await broker.waitForServices("waiting");
  const begun = performance.now();
  await stop();
  const ms = Math.round(performance.now() - begun);
  assert.deepEqual(said, ["CHANNEL_COMMIT_FAILED", "CHANNEL_NOT_CONNECTED"]);
  assert.ok(ms < 4000, `stop took ${ms} ms`);
  await kafka.start();
});

test("what starts before Kafka waits for it", async (t) => {
  await kafka.kill();
  const seen: Numbered[] = [];
  const starting = started(t, { readings: [{ group: "a", handler: (one: Numbered) => void seen.push(one) }] });
  assert.equal(await Promise.race([starting, sleep(2000, "waits")]), "waits");
  await kafka.start();
  const { broker } = await starting;
  await broker.publish("readings", { n: 1 }, { key: "k" });
  await t.waitFor(() => assert.deepEqual(seen, [{ n: 1 }]), BACK);
});
