import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Errors } from "moleculer";
import type { AdapterOptions, WorkAdapter } from "../../../lib/channels/base-adapter.ts";
import { EngineUnavailableError, RetryLaterError } from "../../../lib/channels/errors.ts";
import type { WorkMessage } from "../../../lib/channels/message.ts";
import { type Worker, workingBroker } from "./working-broker.ts";

export interface WorkEngineOptions extends AdapterOptions {
  depthMax?: number;
  ttlMs?: number;
  leaseMs?: number;
  maxInFlight?: number;
}

/** An implementation of the work channel. */
export interface WorkEngine {
  name: string;
  /** An adapter on what the folder stands for; a second one of the same folder shares the same items. */
  create(dir: string, options: WorkEngineOptions): WorkAdapter;
  /** Leaves a connected adapter's engine no room for dead letters, until the function returned is called. */
  refuseDeadLetters?(adapter: WorkAdapter): () => void;
  /** Makes every commit of a connected adapter's engine fail, until the function returned is called. */
  breakDown?(adapter: WorkAdapter): Mend | Promise<Mend>;
}

/** Ends a break-down; resolves when the engine is back. */
type Mend = () => void | Promise<void>;

interface Numbered {
  n: number;
}

/** Waits are short, so that a test of retries is. */
const QUICK: WorkEngineOptions = { retryMs: 2, retryMaxMs: 20, stopTimeoutMs: 2000, maxRetries: 3 };

/** Two shared cores may be slow; what never comes fails all the same. */
const waited = (t: TestContext, condition: () => unknown) => t.waitFor(condition, { timeout: 15_000 });

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const sorted = (list: number[]) => [...list].sort((a, b) => a - b);

/** What every work channel promises, whatever engine carries it. */
export function workChannelSuite(engine: WorkEngine): void {
  describe(`work channel on ${engine.name}`, () => {
    /** Starts brokers on one folder; the test's end stops them. */
    function bench(t: TestContext) {
      const dir = mkdtempSync(join(tmpdir(), "work-"));
      const stops: (() => Promise<void>)[] = [];
      t.after(async () => {
        await Promise.all(stops.map((stop) => stop()));
        rmSync(dir, { recursive: true });
      });
      return async (workers: Record<string, Worker[]> = {}, options: WorkEngineOptions = {}) => {
        const adapter = engine.create(dir, { ...QUICK, ...options });
        const broker = await workingBroker(adapter, workers);
        let stopped: Promise<void> | undefined;
        const stop = () => (stopped ??= broker.stop());
        stops.push(stop);
        const send = (list: number[], options: Parameters<typeof broker.publish>[2] = {}) =>
          Promise.all(list.map((n) => broker.publish("jobs", { n }, options)));
        const depth = async (channel = "jobs") =>
          (await broker.work.depths()).find((one) => one.channel === channel)?.depth ?? 0;
        return { adapter, broker, stop, send, depth };
      };
    }

    /** A worker that notes the numbers whose handler came to its end. */
    function noting(rest: Partial<Worker> = {}) {
      const seen: number[] = [];
      const worker: Worker = {
        group: "workers",
        ...rest,
        async handler(payload: Numbered, raw, ctx) {
          await rest.handler?.(payload as never, raw, ctx);
          seen.push(payload.n);
        },
      };
      return { seen, worker };
    }

    /** A consumer of dead letters. */
    function undertaker() {
      const dead: { payload: unknown; raw: WorkMessage }[] = [];
      const worker: Worker = {
        group: "undertaker",
        handler: (payload: unknown, raw) => void dead.push({ payload, raw }),
      };
      return { dead, worker };
    }

    const done = (t: TestContext, seen: number[], expected: number[]) =>
      waited(t, () => assert.deepEqual(sorted(seen), expected));
    const died = (t: TestContext, dead: { payload: unknown }[], expected: unknown[]) =>
      waited(t, () =>
        assert.deepEqual(
          dead.map(({ payload }) => payload),
          expected,
        ),
      );

    test("every item is done by one of several takers, once, and nothing is left", async (t) => {
      const start = bench(t);
      const [a, b, c] = [noting(), noting(), noting()];
      const first = await start({ jobs: [a.worker, b.worker] });
      await start({ jobs: [c.worker] });
      await first.send(numbers(1, 300));
      await waited(t, () => assert.deepEqual(sorted([...a.seen, ...b.seen, ...c.seen]), numbers(1, 300)));
      await waited(t, async () => assert.equal(await first.depth(), 0));
      assert.equal(a.seen.length + b.seen.length + c.seen.length, 300);
    });

    test("with one item in work at a time they come in the order in which they were published", async (t) => {
      const start = bench(t);
      const { seen, worker } = noting({ maxInFlight: 1 });
      const { broker } = await start();
      for (const n of numbers(1, 50)) await broker.publish("jobs", { n });
      await start({ jobs: [worker] });
      await waited(t, () => assert.deepEqual(seen, numbers(1, 50)));
    });

    test("a consumer works on as many items at once as it says, and never on more", async (t) => {
      const start = bench(t);
      let running = 0;
      let most = 0;
      const { seen, worker } = noting({
        maxInFlight: 4,
        async handler() {
          most = Math.max(most, ++running);
          await sleep(10);
          running--;
        },
      });
      const { send } = await start({ jobs: [worker] });
      await send(numbers(1, 40));
      await done(t, seen, numbers(1, 40));
      assert.equal(most, 4);
    });

    test("an item that hangs holds up only itself", async (t) => {
      const start = bench(t);
      const { seen, worker } = noting({
        maxInFlight: 2,
        handler: ({ n }: Numbered) => (n === 1 ? new Promise(() => {}) : undefined),
      });
      const { send } = await start({ jobs: [worker] }, { stopTimeoutMs: 50 });
      await send(numbers(1, 30));
      await done(t, seen, numbers(2, 30));
    });

    test("key, headers, unicode and a payload of 200 kB arrive as they were sent, with the time and the first delivery", async (t) => {
      const start = bench(t);
      const seen: { payload: unknown; raw: WorkMessage }[] = [];
      const worker: Worker = { group: "workers", handler: (payload: unknown, raw) => void seen.push({ payload, raw }) };
      const { broker } = await start({ jobs: [worker] });
      const payload = { text: "Grüße, 温度 21 ℃ 🌡️ \u0000 \ud800", big: "x".repeat(200_000) };
      const before = Date.now();
      await broker.publish("jobs", payload, { key: "tenant/gerät 🌡️", headers: { "x-one": "1", "x-ü": "温" } });
      await waited(t, () => assert.equal(seen.length, 1));
      const [{ payload: got, raw }] = seen as [(typeof seen)[0]];
      assert.deepEqual(got, payload);
      assert.equal(raw.key, "tenant/gerät 🌡️");
      assert.partialDeepStrictEqual(raw.headers, { "x-one": "1", "x-ü": "温" });
      assert.ok(raw.timestamp >= before && raw.timestamp <= Date.now());
      assert.equal(raw.deliveries, 1);
    });

    test("a raw payload is taken as the JSON text it is; a consumer of text gets it so", async (t) => {
      const start = bench(t);
      const seen: unknown[] = [];
      const worker: Worker = { group: "workers", text: true, handler: (text: string) => void seen.push(text) };
      const { broker } = await start({ jobs: [worker] });
      await broker.publish("jobs", '{"n": 1}', { raw: true });
      await broker.publish("jobs", { n: 2 });
      await waited(t, () => assert.deepEqual(seen.sort(), ['{"n": 1}', '{"n":2}']));
    });

    test("the context's request id and meta travel with an item", async (t) => {
      const start = bench(t);
      const seen: { requestID: unknown; meta: unknown }[] = [];
      const worker: Worker = {
        group: "workers",
        handler: (_payload, _raw, { requestID, meta }) => void seen.push({ requestID, meta }),
      };
      const { broker } = await start({ jobs: [worker] });
      broker.createService({
        name: "sender",
        actions: { send: (ctx) => broker.publish("jobs", { n: 1 }, { ctx, delayMs: 1 }) },
      });
      await broker.waitForServices("sender");
      await broker.call("sender.send", {}, { requestID: "request-1", meta: { tenantId: "acme" } });
      await waited(t, () => assert.deepEqual(seen, [{ requestID: "request-1", meta: { tenantId: "acme" } }]));
    });

    test("what was published is there after a restart", async (t) => {
      const start = bench(t);
      const before = await start();
      await before.send(numbers(1, 20));
      await before.stop();
      const { seen, worker } = noting();
      await start({ jobs: [worker] });
      await done(t, seen, numbers(1, 20));
    });

    test("an error that passes is retried and leaves no dead letter; the handler is told which delivery it is", async (t) => {
      const start = bench(t);
      const deliveries: number[] = [];
      const { seen, worker } = noting({
        handler(_payload, raw) {
          deliveries.push(raw.deliveries);
          if (raw.deliveries < 3) throw new Error("not yet");
        },
      });
      const { dead, worker: undertakes } = undertaker();
      const { send, depth } = await start({ jobs: [worker], "jobs.dead": [undertakes] });
      await send([1]);
      await done(t, seen, [1]);
      assert.deepEqual(deliveries, [1, 2, 3]);
      await waited(t, async () => assert.equal(await depth(), 0));
      assert.deepEqual(dead, []);
    });

    test("each wait before a retry is longer, up to the longest", async (t) => {
      const start = bench(t);
      const attempts: number[] = [];
      const { seen, worker } = noting({
        handler() {
          attempts.push(performance.now());
          if (attempts.length < 6) throw new Errors.MoleculerRetryableError("again");
        },
      });
      const { send } = await start({ jobs: [worker] }, { retryMs: 20, retryMaxMs: 80, maxRetries: 5 });
      await send([1]);
      await done(t, seen, [1]);
      // At least half of 20, 40, 80, 80, 80: the other half is random. Clocks are cut to milliseconds.
      for (const [i, least] of [10, 20, 40, 40, 40].entries()) {
        const wait = (attempts[i + 1] as number) - (attempts[i] as number);
        assert.ok(wait >= least - 2.5, `wait ${i + 1} was ${wait} ms`);
      }
    });

    test("an item that waits for its retry holds up no other", async (t) => {
      const start = bench(t);
      const { seen, worker } = noting({
        maxInFlight: 1,
        handler({ n }: Numbered) {
          if (n === 1) throw new Error("one");
        },
      });
      const { send } = await start({ jobs: [worker] }, { retryMs: 60_000, retryMaxMs: 60_000 });
      await send(numbers(1, 10));
      await done(t, seen, numbers(2, 10));
    });

    test("an error may say itself when trying again is worth it", async (t) => {
      const start = bench(t);
      const { seen, worker } = noting({
        handler(_payload, { deliveries }) {
          if (deliveries === 1) throw new RetryLaterError("soon", 5);
        },
      });
      const { send } = await start({ jobs: [worker] }, { retryMs: 600_000, retryMaxMs: 600_000 });
      await send([1]);
      await done(t, seen, [1]);
    });

    for (const [what, error] of [
      ["a client's fault", () => new Errors.MoleculerClientError("no such device", 404, "DEVICE_NOT_FOUND")],
      [
        "marked as not retryable",
        () => Object.assign(new Error("no such device"), { retryable: false, code: 404, type: "DEVICE_NOT_FOUND" }),
      ],
    ] as const)
      test(`an error that is ${what} puts the item aside at once, as rejected, with cause and origin`, async (t) => {
        const start = bench(t);
        let calls = 0;
        const { seen, worker } = noting({
          handler({ n }: Numbered) {
            if (n !== 2) return;
            calls++;
            throw error();
          },
        });
        const { dead, worker: undertakes } = undertaker();
        const { send, broker, depth } = await start({ jobs: [worker], "jobs.dead": [undertakes] });
        await send([1, 3]);
        const before = Date.now();
        await broker.publish("jobs", { n: 2 }, { key: "tenant/device", headers: { "x-mine": "kept" } });
        await done(t, seen, [1, 3]);
        await died(t, dead, [{ n: 2 }]);
        assert.equal(calls, 1);
        const raw = dead[0]?.raw as WorkMessage;
        assert.equal(raw.key, "tenant/device");
        const {
          "x-original-timestamp": published,
          "x-dead-at": deadAt,
          "x-original-position": position,
          ...rest
        } = raw.headers;
        assert.partialDeepStrictEqual(rest, {
          "x-mine": "kept",
          "x-original-channel": "jobs",
          "x-original-group": "workers",
          "x-dead-cause": "rejected",
          "x-error-message": "no such device",
          "x-error-type": "DEVICE_NOT_FOUND",
          "x-error-code": "404",
          "x-attempts": "1",
        });
        assert.ok(
          Date.parse(String(published)) >= before - 1 && Date.parse(String(deadAt)) >= Date.parse(String(published)),
        );
        assert.match(String(position), /^\d+$/);
        await waited(t, async () => assert.equal(await depth(), 0));
      });

    test("an item that fails as often as allowed is put aside with the cause delivery_limit", async (t) => {
      const start = bench(t);
      let calls = 0;
      const { seen, worker } = noting({
        maxRetries: 2,
        handler({ n }: Numbered) {
          if (n !== 2) return;
          calls++;
          throw new TypeError("two");
        },
      });
      const { dead, worker: undertakes } = undertaker();
      const { send } = await start({ jobs: [worker], "jobs.dead": [undertakes] });
      await send([1, 2, 3]);
      await done(t, seen, [1, 3]);
      await died(t, dead, [{ n: 2 }]);
      assert.equal(calls, 3);
      assert.partialDeepStrictEqual(dead[0]?.raw.headers, {
        "x-dead-cause": "delivery_limit",
        "x-error-message": "two",
        "x-error-type": "TypeError",
        "x-attempts": "3",
      });
    });

    test("an outage is retried longer than any limit and puts nothing aside", async (t) => {
      const start = bench(t);
      let attempts = 0;
      let away = true;
      const { seen, worker } = noting({
        maxRetries: 1,
        handler() {
          attempts++;
          if (away) throw new EngineUnavailableError("the store is away");
        },
      });
      const { dead, worker: undertakes } = undertaker();
      const { send } = await start({ jobs: [worker], "jobs.dead": [undertakes] });
      await send([1]);
      await waited(t, () => assert.ok(attempts > 8));
      away = false;
      await done(t, seen, [1]);
      assert.deepEqual(dead, []);
    });

    test("an item that is not JSON is put aside as it came", async (t) => {
      const start = bench(t);
      const { seen, worker } = noting();
      const dead: unknown[] = [];
      const undertakes: Worker = { group: "undertaker", text: true, handler: (text: string) => void dead.push(text) };
      const { broker } = await start({ jobs: [worker], "jobs.dead": [undertakes] });
      for (const text of ['{"n":1}', "{", '{"n":3}']) await broker.publish("jobs", text, { raw: true });
      await done(t, seen, [1, 3]);
      await waited(t, () => assert.deepEqual(dead, ["{"]));
    });

    test("a dead letter is never put aside itself: its consumer is tried for ever", async (t) => {
      const start = bench(t);
      const { worker } = noting({
        handler() {
          throw new Errors.MoleculerClientError("never");
        },
      });
      let calls = 0;
      const taken: unknown[] = [];
      const undertakes: Worker = {
        group: "undertaker",
        maxRetries: 0,
        handler(payload: unknown) {
          if (++calls < 5) throw new Errors.MoleculerClientError("nor this");
          taken.push(payload);
        },
      };
      const { send, broker } = await start({ jobs: [worker], "jobs.dead": [undertakes] });
      await send([1]);
      await waited(t, () => assert.deepEqual(taken, [{ n: 1 }]));
      const dead = (await broker.work.depths()).filter(({ channel }) => channel.endsWith(".dead.dead"));
      assert.deepEqual(dead, []);
    });

    test("an item whose time is up before it is taken is a dead letter with the cause expired, and is not handled", async (t) => {
      const start = bench(t);
      const publisher = await start();
      await publisher.send([1], { ttlMs: 1 });
      await publisher.send([2], { expiresAt: Date.now() + 1 });
      await publisher.send([3], { ttlMs: 600_000, expiresAt: Date.now() + 1 });
      await publisher.send([4], { ttlMs: 600_000 });
      await publisher.send([5]);
      await sleep(5);
      const { seen, worker } = noting();
      const { dead, worker: undertakes } = undertaker();
      await start({ jobs: [worker], "jobs.dead": [undertakes] });
      await done(t, seen, [4, 5]);
      await waited(t, () => assert.deepEqual(sorted(dead.map(({ payload }) => (payload as Numbered).n)), [1, 2, 3]));
      for (const { raw } of dead)
        assert.partialDeepStrictEqual(raw.headers, {
          "x-original-channel": "jobs",
          "x-dead-cause": "expired",
          "x-error-type": "ITEM_EXPIRED",
          "x-attempts": "0",
        });
    });

    test("an item expires although nobody consumes its channel, and while it waits for its retry", async (t) => {
      const start = bench(t);
      const { dead, worker: undertakes } = undertaker();
      const { worker } = noting({
        handler() {
          throw new Error("later");
        },
      });
      const first = await start(
        { jobs: [worker], "jobs.dead": [undertakes] },
        { retryMs: 600_000, retryMaxMs: 600_000 },
      );
      await first.send([1], { ttlMs: 400 });
      await first.broker.publish("jobs", { n: 2 }, { ttlMs: 1, delayMs: 500_000 });
      await waited(t, () => assert.equal(dead.length, 2));
      const attempts = Object.fromEntries(
        dead.map(({ payload, raw }) => [(payload as Numbered).n, raw.headers["x-attempts"]]),
      );
      assert.deepEqual(attempts, { 1: "1", 2: "0" });
      assert.ok(dead.every(({ raw }) => raw.headers["x-dead-cause"] === "expired"));
    });

    test("the channel's own time to live holds for items without one", async (t) => {
      const start = bench(t);
      const { dead, worker: undertakes } = undertaker();
      const { send } = await start({ "jobs.dead": [undertakes] }, { ttlMs: 1 });
      await send([1]);
      await send([2], { ttlMs: 600_000 });
      await died(t, dead, [{ n: 1 }]);
    });

    test("a delayed item is not delivered before its time, and others pass it", async (t) => {
      const start = bench(t);
      const at = new Map<number, number>();
      const { seen, worker } = noting({
        handler: ({ n }: Numbered) => void at.set(n, Date.now()),
      });
      const { send } = await start({ jobs: [worker] });
      const published = Date.now();
      await Promise.all([send([1], { delayMs: 1000 }), send([2])]);
      await waited(t, () => assert.deepEqual(seen, [2, 1]));
      assert.ok((at.get(1) as number) >= published + 1000);
    });

    for (const [field, options] of [
      ["delayMs", { delayMs: -1 }],
      ["delayMs", { delayMs: 1e15 }],
      ["ttlMs", { ttlMs: 0 }],
      ["ttlMs", { ttlMs: 1.5 }],
      ["expiresAt", { expiresAt: Number.NaN }],
    ] as const)
      test(`publishing with ${field} ${Object.values(options)[0]} is refused, naming it, and stores nothing`, async (t) => {
        const start = bench(t);
        const { send, depth } = await start();
        await assert.rejects(send([1], options), { message: new RegExp(`^${field}: must be `) });
        assert.equal(await depth(), 0);
      });

    test("above its depth the channel refuses with 429 CHANNEL_FULL until there is room; delayed items count", async (t) => {
      const start = bench(t);
      const publisher = await start({}, { depthMax: 5 });
      await publisher.send([1, 2, 3]);
      // Long enough: on its way from one queue to another an item is counted twice, or not.
      await publisher.send([4, 5], { delayMs: 2000 });
      await assert.rejects(publisher.send([6]), { code: 429, type: "CHANNEL_FULL", message: /jobs.*5/ });
      assert.equal(await publisher.depth(), 5);
      await publisher.broker.publish("other", { n: 1 });
      const { seen, worker } = noting();
      const consumer = await start({ jobs: [worker] }, { depthMax: 5 });
      await done(t, seen, [1, 2, 3, 4, 5]);
      await waited(t, async () => assert.equal(await consumer.depth(), 0));
      await publisher.send([6]);
      await done(t, seen, [1, 2, 3, 4, 5, 6]);
    });

    test("of items that are published together those beyond the depth are refused, and the others are stored", async (t) => {
      const start = bench(t);
      const { broker, depth } = await start({}, { depthMax: 3 });
      const outcomes = await Promise.allSettled(numbers(1, 5).map((n) => broker.publish("jobs", { n })));
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        ["fulfilled", "fulfilled", "fulfilled", "rejected", "rejected"],
      );
      assert.equal(await depth(), 3);
    });

    test("publishMany takes all or none", async (t) => {
      const start = bench(t);
      const { adapter, depth } = await start({}, { depthMax: 3 });
      const items = (count: number) => numbers(1, count).map((n) => ({ payload: { n } }));
      await assert.rejects(adapter.publishMany(adapter.addPrefixTopic("jobs"), items(4)), { type: "CHANNEL_FULL" });
      assert.equal(await depth(), 0);
      await adapter.publishMany(adapter.addPrefixTopic("jobs"), items(3));
      assert.equal(await depth(), 3);
    });

    test("stop lets a handler end, and ends its item", async (t) => {
      const start = bench(t);
      const entered = Promise.withResolvers<void>();
      const first = noting({
        async handler() {
          entered.resolve();
          await sleep(100);
        },
      });
      const before = await start({ jobs: [first.worker] });
      await before.send([1]);
      await entered.promise;
      await before.stop();
      assert.deepEqual(first.seen, [1]);
      const after = await start();
      assert.equal(await after.depth(), 0);
    });

    test("a handler that never ends does not keep stop from ending; its item goes to another at once, counted", async (t) => {
      const start = bench(t);
      const entered = Promise.withResolvers<void>();
      const hanging = noting({
        handler() {
          entered.resolve();
          return new Promise(() => {});
        },
      });
      const before = await start({ jobs: [hanging.worker] }, { stopTimeoutMs: 50, leaseMs: 3_600_000 });
      await before.send([1]);
      await entered.promise;
      await before.stop();
      const deliveries: number[] = [];
      const second = noting({ handler: (_payload, raw) => void deliveries.push(raw.deliveries) });
      await start({ jobs: [second.worker] });
      await done(t, second.seen, [1]);
      assert.deepEqual(deliveries, [2]);
    });

    test("what a handler ends after its item went to another changes nothing", async (t) => {
      const start = bench(t);
      const entered = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const late = noting({
        handler() {
          entered.resolve();
          return go.promise;
        },
      });
      const before = await start({ jobs: [late.worker] }, { stopTimeoutMs: 50 });
      await before.send([1]);
      await entered.promise;
      await before.stop();
      const after = await start();
      go.resolve();
      await done(t, late.seen, [1]);
      assert.equal(await after.depth(), 1, "the item is another's to end");
    });

    test("stop ends the wait for a retry, and the item comes again after a restart", async (t) => {
      const start = bench(t);
      let attempts = 0;
      const { worker } = noting({
        handler() {
          attempts++;
          throw new EngineUnavailableError("away");
        },
      });
      const before = await start({ jobs: [worker] });
      await before.send([1]);
      await waited(t, () => assert.ok(attempts > 0));
      await before.stop();
      const second = noting();
      await start({ jobs: [second.worker] });
      await done(t, second.seen, [1]);
    });

    test("publishing before the start and after the stop is refused: nothing is lost in silence", async (t) => {
      const start = bench(t);
      const { broker, stop } = await start();
      await stop();
      await assert.rejects(broker.publish("jobs", { n: 1 }), { type: "CHANNEL_NOT_CONNECTED", code: 503 });
    });

    test("a channel has one group; a consumer with wrong numbers is refused, naming them", async (t) => {
      const start = bench(t);
      await assert.rejects(start({ jobs: [noting().worker, noting({ group: "others" }).worker] }), {
        message: /work channel 'jobs' has the group 'workers', and no second: 'others'/,
      });
      await assert.rejects(start({ jobs: [noting({ maxInFlight: 0 }).worker] }), { message: /maxInFlight must be/ });
      await assert.rejects(start({ jobs: [noting({ maxRetries: -1 }).worker] }), { message: /maxRetries must be/ });
    });

    test("a payload without a JSON form is refused, naming the channel", async (t) => {
      const start = bench(t);
      const { broker } = await start();
      await assert.rejects(broker.publish("jobs", undefined), { code: 422, message: /jobs/ });
    });

    if (engine.refuseDeadLetters)
      test("a dead letter that cannot be written keeps its item; stop ends all the same", async (t) => {
        const start = bench(t);
        const refusing = noting({
          handler({ n }: Numbered) {
            if (n === 2) throw new Errors.MoleculerClientError("two");
          },
        });
        const { adapter, send, depth, stop } = await start({ jobs: [refusing.worker] });
        const accept = engine.refuseDeadLetters?.(adapter);
        await send([1, 2, 3]);
        await done(t, refusing.seen, [1, 3]);
        await waited(t, async () => assert.equal(await depth(), 1));
        await stop();
        accept?.();
        const { dead, worker: undertakes } = undertaker();
        await start({ jobs: [refusing.worker], "jobs.dead": [undertakes] });
        await died(t, dead, [{ n: 2 }]);
        assert.equal(dead[0]?.raw.headers["x-dead-cause"], "rejected");
      });

    if (engine.breakDown)
      test("while the engine is away publishing is refused with 503, and consumers go on when it is back", async (t) => {
        const start = bench(t);
        let attempts = 0;
        const { seen, worker } = noting({ handler: () => void attempts++ });
        const { adapter, send } = await start({ jobs: [worker] });
        const mend = await engine.breakDown?.(adapter);
        await assert.rejects(send([1]), { code: 503, type: "CHANNEL_COMMIT_FAILED" });
        await mend?.();
        await send([2]);
        await done(t, seen, [2]);
        assert.equal(attempts, 1);
      });
  });
}
