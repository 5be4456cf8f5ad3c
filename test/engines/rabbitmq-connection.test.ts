import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "amqplib";
import { RabbitmqWorkAdapter } from "../../lib/channels/rabbitmq/rabbitmq-work.ts";
import { type Worker, workingBroker } from "../ports/work-channel/working-broker.ts";
import { type RabbitMq, startRabbitMq } from "../support/engines/rabbitmq.ts";

let server: RabbitMq;
before(async () => {
  server = await startRabbitMq();
});
after(() => server.dispose());

const WAIT = { timeout: 20_000 };

/** A broker with its own queues, and what its handlers saw. */
async function start(t: TestContext, options: { url?: string; prefix: string; handler?: Worker["handler"] }) {
  const seen: number[] = [];
  const worker: Worker = {
    group: "workers",
    async handler(payload: { n: number }, raw, ctx) {
      await options.handler?.(payload as never, raw, ctx);
      seen.push(payload.n);
    },
  };
  const { url = server.url, prefix } = options;
  const adapter = new RabbitmqWorkAdapter({ url, prefix, channels: ["jobs"], retryMs: 1, retryMaxMs: 10 });
  const broker = await workingBroker(adapter, { jobs: [worker] });
  t.after(() => broker.stop());
  return { adapter, broker, seen };
}

const connected = (t: TestContext, adapter: RabbitmqWorkAdapter) =>
  t.waitFor(() => assert.equal(adapter.trouble, undefined), WAIT);

test("a handler that runs while RabbitMQ dies and returns is not run a second time, and its item is ended", async (t) => {
  const go = Promise.withResolvers<void>();
  let begun = 0;
  const handler = async ({ n }: { n: number }) => {
    if (n !== 1) return;
    begun++;
    await go.promise;
  };
  const { adapter, broker, seen } = await start(t, { prefix: "runs-on", handler });
  await broker.publish("jobs", { n: 1 });
  await t.waitFor(() => assert.equal(begun, 1), WAIT);
  await sleep(2500);
  await server.kill();
  await t.waitFor(() => assert.match(adapter.trouble ?? "", /^work channel: RabbitMQ: /), WAIT);
  await assert.rejects(broker.publish("jobs", { n: 2 }), { code: 503, type: "CHANNEL_COMMIT_FAILED" });
  await server.start();
  await connected(t, adapter);
  await broker.publish("jobs", { n: 3 });
  await t.waitFor(() => assert.deepEqual(seen, [3]), WAIT);
  go.resolve();
  await t.waitFor(() => assert.deepEqual(seen, [3, 1]), WAIT);
  await t.waitFor(async () => assert.equal((await broker.work.depths())[0]?.depth, 0), WAIT);
  assert.equal(begun, 1);
});

test("a handler that ended while RabbitMQ was away is not run a second time, although its end was not heard of", async (t) => {
  const go = Promise.withResolvers<void>();
  let begun = 0;
  const handler = async () => {
    begun++;
    await go.promise;
  };
  const { adapter, broker, seen } = await start(t, { prefix: "ended", handler });
  await broker.publish("jobs", { n: 1 });
  await t.waitFor(() => assert.equal(begun, 1), WAIT);
  await sleep(2500);
  await server.kill();
  await t.waitFor(() => assert.ok(adapter.trouble), WAIT);
  go.resolve();
  await t.waitFor(() => assert.deepEqual(seen, [1]), WAIT);
  await server.start();
  await connected(t, adapter);
  await broker.publish("jobs", { n: 2 });
  await t.waitFor(() => assert.deepEqual(seen, [1, 2]), WAIT);
  await t.waitFor(async () => assert.equal((await broker.work.depths())[0]?.depth, 0), WAIT);
  assert.equal(begun, 2);
});

test("a consumer whose queue is deleted makes it again and goes on; meanwhile a message without a queue is an error, or stored", async (t) => {
  const { broker, seen } = await start(t, { prefix: "deleted" });
  await broker.publish("jobs", { n: 1 });
  await t.waitFor(() => assert.deepEqual(seen, [1]), WAIT);
  server.control("delete_queue", "deleted.jobs");
  const stored: number[] = [1];
  for (let n = 2; stored.length < 20; n++)
    await broker.publish("jobs", { n }).then(
      () => stored.push(n),
      (error) => assert.equal(error.code, 503),
    );
  await t.waitFor(() => assert.deepEqual(seen, stored), WAIT);
});

test("without a consumer, a message for a queue that was deleted is an error, and the next one makes the queue again", async (t) => {
  const adapter = new RabbitmqWorkAdapter({ url: server.url, prefix: "unroutable" });
  const broker = await workingBroker(adapter);
  t.after(() => broker.stop());
  await broker.publish("jobs", { n: 1 });
  server.control("delete_queue", "unroutable.jobs");
  await assert.rejects(broker.publish("jobs", { n: 2 }), { code: 503, type: "CHANNEL_UNROUTABLE" });
  await broker.publish("jobs", { n: 3 });
  assert.equal((await broker.work.depths()).find(({ channel }) => channel === "jobs")?.depth, 1);
});

test("a platform may start before its RabbitMQ: it says what is missing, and works when it is there", async (t) => {
  await server.kill();
  const { adapter, broker, seen } = await start(t, { prefix: "early" });
  assert.match(adapter.trouble ?? "", /^work channel: RabbitMQ: .*ECONNREFUSED/);
  await assert.rejects(broker.publish("jobs", { n: 1 }), { code: 503 });
  await server.start();
  await connected(t, adapter);
  await broker.publish("jobs", { n: 2 });
  await t.waitFor(() => assert.deepEqual(seen, [2]), WAIT);
});

test("a user whom RabbitMQ refuses is an error at the start, without the password; a virtual host that isn't there is waited for", async (t) => {
  const wrong = server.url.replace("guest:guest", "guest:wrong-secret");
  await assert.rejects(start(t, { url: wrong, prefix: "refused" }), (error: Error) => {
    assert.match(error.message, /ACCESS_REFUSED/);
    assert.doesNotMatch(error.message, /wrong-secret/);
    return true;
  });
  const { adapter } = await start(t, { url: `${server.url}/later`, prefix: "later" });
  assert.equal(adapter.trouble, "work channel: RabbitMQ: does not open the URL's virtual host");
  server.control("add_vhost", "later");
  server.control("set_permissions", "-p", "later", "guest", ".*", ".*", ".*");
  await connected(t, adapter);
});

test("the virtual host of the URL is the one that is used", async (t) => {
  server.control("add_vhost", "tenant/one");
  server.control("set_permissions", "-p", "tenant/one", "guest", ".*", ".*", ".*");
  const { broker, seen } = await start(t, { url: `${server.url}/tenant%2Fone`, prefix: "vhost" });
  await broker.publish("jobs", { n: 1 });
  await t.waitFor(() => assert.deepEqual(seen, [1]), WAIT);
  assert.match(server.control("list_queues", "-p", "tenant/one", "name"), /^vhost\.jobs$/m);
  assert.doesNotMatch(server.control("list_queues", "name"), /^vhost\./m);
});

test("while RabbitMQ is out of memory publishing waits and readiness says so; consumers end what they have, and all goes on by itself", async (t) => {
  const go = Promise.withResolvers<void>();
  const { adapter, broker, seen } = await start(t, { prefix: "alarm", handler: () => go.promise });
  await broker.publish("jobs", { n: 1 });
  server.control("set_vm_memory_high_watermark", "0");
  const waits = broker.publish("jobs", { n: 2 });
  await t.waitFor(() => assert.match(adapter.trouble ?? "", /RabbitMQ: takes no messages: /), WAIT);
  go.resolve();
  await t.waitFor(() => assert.ok(seen.includes(1)), WAIT);
  server.control("set_vm_memory_high_watermark", "0.4");
  await waits;
  await connected(t, adapter);
  await t.waitFor(() => assert.deepEqual(seen, [1, 2]), WAIT);
});

test("what somebody else published into the queue is handled, too; a queue declared otherwise is used as it is", async (t) => {
  const connection = await connect(server.url);
  t.after(() => connection.close());
  const channel = await connection.createChannel();
  await channel.assertQueue("foreign.jobs", { durable: true, arguments: { "x-queue-type": "quorum" } });
  channel.sendToQueue("foreign.jobs", Buffer.from('{"n":1}'), {
    persistent: true,
    headers: { mine: "yes", number: 5 },
  });
  const told: unknown[] = [];
  const { seen, broker } = await start(t, { prefix: "foreign", handler: (_, raw) => void told.push(raw.headers) });
  await broker.publish("jobs", { n: 2 });
  await t.waitFor(() => assert.deepEqual(seen, [1, 2]), WAIT);
  assert.deepEqual(told, [{ mine: "yes" }, {}]);
});
