import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { AdapterOptions, FactsAdapter } from "../../../lib/channels/base-adapter.ts";
import { EngineUnavailableError } from "../../../lib/channels/errors.ts";
import type { Position, RawMessage } from "../../../lib/channels/message.ts";
import { type Consumer, consumingBroker } from "./consuming-broker.ts";

/** An implementation of the facts channel. */
export interface FactsEngine {
  name: string;
  /** Messages keep their order along the whole channel, or along their key only. */
  order: "channel" | "key";
  /** An adapter on what the folder stands for; a second one of the same folder sees the same messages. */
  create(dir: string, options: AdapterOptions & { pendingMax?: number }): FactsAdapter;
  /** Given: leaves a connected adapter's engine no room for messages of 10 kB, until the function returned is called. */
  fill?(adapter: FactsAdapter): () => void;
  /** Given: makes every commit of a connected adapter's engine fail, until the function returned is called. */
  breakDown?(adapter: FactsAdapter): () => void;
}

interface Numbered {
  n: number;
}

/** Waits are short, so that a test of retries is. */
const QUICK: AdapterOptions = { retryMs: 2, retryMaxMs: 20, stopTimeoutMs: 2000 };

/** Two shared cores may be slow; what never comes fails all the same. */
const waited = (t: TestContext, condition: () => unknown) => t.waitFor(condition, { timeout: 15_000 });

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const refusing = (bad: number, error: () => Error) => (batch: Numbered[]) => {
  if (batch.some(({ n }) => n === bad)) throw error();
};
const final = (message: string) =>
  Object.assign(new Error(message), { retryable: false, type: "BAD_READING", code: 422 });

const ascending = (list: readonly number[]) => list.toSorted((a, b) => a - b);

/** What every facts channel promises, whatever engine carries it. */
export function factsChannelSuite(engine: FactsEngine): void {
  describe(`facts channel on ${engine.name}`, () => {
    /** Starts brokers on one folder; the test's end stops them. */
    function bench(t: TestContext) {
      const dir = mkdtempSync(join(tmpdir(), "facts-"));
      const stops: (() => Promise<void>)[] = [];
      t.after(async () => {
        await Promise.all(stops.map((stop) => stop()));
        rmSync(dir, { recursive: true });
      });
      return async (
        consumers: Record<string, Consumer[]> = {},
        options: AdapterOptions & { pendingMax?: number } = {},
      ) => {
        const adapter = engine.create(dir, { ...QUICK, ...options });
        const broker = await consumingBroker(adapter, consumers);
        let stopped: Promise<void> | undefined;
        const stop = () => (stopped ??= broker.stop());
        stops.push(stop);
        const send = (list: number[], key = "k") =>
          Promise.all(list.map((n) => broker.publish("readings", { n }, { key })));
        return { adapter, broker, stop, send };
      };
    }

    /** A consumer that notes the numbers it was given. */
    function noting(group = "store", rest: Partial<Consumer> = {}) {
      const seen: number[] = [];
      const consumer: Consumer = {
        group,
        batch: { size: 50 },
        ...rest,
        async handler(batch: Numbered[], raw: RawMessage[], ctx) {
          await rest.handler?.(batch as never, raw as never, ctx);
          seen.push(...batch.map(({ n }) => n));
        },
      };
      return { seen, consumer };
    }

    /** A consumer of dead letters. */
    function undertaker() {
      const dead: { payload: unknown; raw: RawMessage }[] = [];
      const consumer: Consumer = {
        group: "undertaker",
        handler: (payload: unknown, raw: RawMessage) => void dead.push({ payload, raw }),
      };
      return { dead, consumer };
    }

    const arrived = (t: TestContext, seen: number[], expected: number[]) =>
      waited(t, () => assert.deepEqual(seen, expected));

    /** The same of messages with several keys or none. */
    const arrivedMixed = (t: TestContext, seen: number[], expected: number[]) =>
      engine.order === "channel"
        ? arrived(t, seen, expected)
        : waited(t, () => assert.deepEqual(ascending(seen), ascending(expected)));

    test("messages of one key arrive in the order in which they were published", async (t) => {
      const start = bench(t);
      const seen = new Map<string, number[]>();
      const consumer: Consumer = {
        group: "store",
        batch: { size: 7 },
        handler(batch: Numbered[], raw: RawMessage[]) {
          for (const [i, { n }] of batch.entries()) {
            const key = String(raw[i]?.key);
            seen.set(key, [...(seen.get(key) ?? []), n]);
          }
        },
      };
      const { broker } = await start({ readings: [consumer] });
      await Promise.all(numbers(1, 300).map((n) => broker.publish("readings", { n }, { key: `device-${n % 3}` })));
      const expected = [0, 1, 2].map((rest) => numbers(1, 300).filter((n) => n % 3 === rest));
      await waited(t, () =>
        assert.deepEqual(
          [0, 1, 2].map((rest) => seen.get(`device-${rest}`)),
          expected,
        ),
      );
    });

    test("each group receives every message", async (t) => {
      const start = bench(t);
      const [a, b] = [noting("a"), noting("b", { batch: { size: 3 } })];
      const { send } = await start({ readings: [a.consumer, b.consumer] });
      await send(numbers(1, 100));
      await arrived(t, a.seen, numbers(1, 100));
      await arrived(t, b.seen, numbers(1, 100));
    });

    test("a group that is in an outage does not hold up another", async (t) => {
      const start = bench(t);
      const away = noting("away", {
        handler() {
          throw new EngineUnavailableError("away");
        },
      });
      const well = noting("well");
      const { send } = await start({ readings: [away.consumer, well.consumer] });
      await send(numbers(1, 100));
      await arrived(t, well.seen, numbers(1, 100));
      assert.deepEqual(away.seen, []);
    });

    test("a batch has at most its size, and what is told of each message stands at its place", async (t) => {
      const start = bench(t);
      const batches: [number, string | null][][] = [];
      const consumer: Consumer = {
        group: "store",
        batch: { size: 10 },
        handler: (batch: Numbered[], raw: RawMessage[]) =>
          void batches.push(batch.map(({ n }, i) => [n, (raw[i] as RawMessage).key])),
      };
      const { broker } = await start({ readings: [consumer] });
      await Promise.all(numbers(1, 95).map((n) => broker.publish("readings", { n }, { key: `key-${n}` })));
      const told = () => (engine.order === "channel" ? batches.flat() : batches.flat().sort(([a], [b]) => a - b));
      await waited(t, () =>
        assert.deepEqual(
          told(),
          numbers(1, 95).map((n) => [n, `key-${n}`]),
        ),
      );
      assert.ok(Math.max(...batches.map(({ length }) => length)) <= 10);
    });

    test("a consumer without batch receives one payload at a time, never two at once", async (t) => {
      const start = bench(t);
      const seen: number[] = [];
      let running = 0;
      const consumer: Consumer = {
        group: "store",
        async handler({ n }: Numbered, raw: RawMessage) {
          assert.equal(++running, 1);
          assert.equal(raw.key, "k");
          await new Promise(setImmediate);
          running--;
          seen.push(n);
        },
      };
      const { send } = await start({ readings: [consumer] });
      await send(numbers(1, 20));
      await arrived(t, seen, numbers(1, 20));
    });

    test("key, headers, unicode and a payload of 200 kB arrive as they were sent", async (t) => {
      const start = bench(t);
      const seen: { payload: unknown; raw: RawMessage }[] = [];
      const consumer: Consumer = {
        group: "store",
        handler: (payload: unknown, raw: RawMessage) => void seen.push({ payload, raw }),
      };
      const { broker } = await start({ readings: [consumer] });
      const payload = { text: "Grüße, 温度 21 ℃ 🌡️ \u0000 \ud800", big: "x".repeat(200_000) };
      const before = Date.now();
      await broker.publish("readings", payload, { key: "tenant/gerät 🌡️", headers: { "x-one": "1", "x-ü": "温" } });
      await waited(t, () => assert.equal(seen.length, 1));
      const [{ payload: got, raw }] = seen as [(typeof seen)[0]];
      assert.deepEqual(got, payload);
      assert.equal(raw.key, "tenant/gerät 🌡️");
      assert.partialDeepStrictEqual(raw.headers, { "x-one": "1", "x-ü": "温" });
      assert.ok(raw.timestamp >= before && raw.timestamp <= Date.now());
    });

    test("a raw payload is taken as the JSON text it is, as a string or a Buffer", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting();
      const { broker } = await start({ readings: [consumer] });
      await broker.publish("readings", '{"n":1}', { raw: true });
      await broker.publish("readings", Buffer.from('{"n":2}'), { raw: true });
      await arrivedMixed(t, seen, [1, 2]);
    });

    test("publishMany has one promise for many messages and keeps their order", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting("store", { batch: { size: 500 } });
      const { adapter } = await start({ readings: [consumer] });
      const items = numbers(1, 5000).map((n) => ({ payload: { n }, key: "k" }));
      await adapter.publishMany(adapter.addPrefixTopic("readings"), items);
      await arrived(t, seen, numbers(1, 5000));
    });

    test("the context's request id and meta travel with a message; a batch takes nobody's meta", async (t) => {
      const start = bench(t);
      const seen: { requestID: unknown; meta: unknown }[] = [];
      const note: Consumer["handler"] = (_payload, _raw, { requestID, meta }) => void seen.push({ requestID, meta });
      const { broker } = await start({ readings: [{ group: "single", handler: note }] });
      broker.createService({
        name: "sender",
        actions: {
          send: (ctx) => broker.publish("readings", { n: 1 }, { ctx }),
        },
      });
      await broker.waitForServices("sender");
      await broker.call("sender.send", {}, { requestID: "request-1", meta: { tenantId: "acme" } });
      await waited(t, () => assert.deepEqual(seen, [{ requestID: "request-1", meta: { tenantId: "acme" } }]));

      await start({ readings: [{ group: "batched", batch: {}, handler: note }] });
      await waited(t, () => assert.deepEqual(seen[1], { requestID: "request-1", meta: {} }));
    });

    test("a restart goes on behind what was committed", async (t) => {
      const start = bench(t);
      const first = noting();
      const before = await start({ readings: [first.consumer] });
      await before.send(numbers(1, 100));
      await arrived(t, first.seen, numbers(1, 100));
      await before.stop();

      const publisher = await start();
      await publisher.send([101]);
      await publisher.stop();

      const second = noting();
      await start({ readings: [second.consumer] });
      await arrived(t, second.seen, [101]);
    });

    test("stop lets the batch that runs finish, and commits it", async (t) => {
      const start = bench(t);
      const entered = Promise.withResolvers<void>();
      const first = noting("store", {
        async handler() {
          entered.resolve();
          await sleep(100);
        },
      });
      const before = await start({ readings: [first.consumer] });
      await before.send([1]);
      await entered.promise;
      await before.stop();
      assert.deepEqual(first.seen, [1]);

      const second = noting();
      const after = await start({ readings: [second.consumer] });
      await after.send([2]);
      await arrived(t, second.seen, [2]);
    });

    test("a handler that never ends does not keep stop from ending, and its messages come again", async (t) => {
      const start = bench(t);
      const entered = Promise.withResolvers<void>();
      const hanging = noting("store", {
        handler() {
          entered.resolve();
          return new Promise(() => {});
        },
      });
      const before = await start({ readings: [hanging.consumer] }, { stopTimeoutMs: 50 });
      await before.send([1]);
      await entered.promise;
      await before.stop();

      const second = noting();
      await start({ readings: [second.consumer] });
      await arrived(t, second.seen, [1]);
    });

    test("a new group begins with the oldest message, or with startFrom end behind the newest", async (t) => {
      const start = bench(t);
      const { send } = await start();
      await send([1, 2, 3]);
      const [old, young] = [noting("old"), noting("young", { startFrom: "end" })];
      const later = await start({ readings: [old.consumer, young.consumer] });
      await later.send([4]);
      await arrived(t, old.seen, [1, 2, 3, 4]);
      await arrived(t, young.seen, [4]);
    });

    test("poison is isolated after its retries: it alone is put aside, all else is delivered once, in order", async (t) => {
      const start = bench(t);
      let position: Position | undefined;
      const { seen, consumer } = noting("store", {
        handler(batch: Numbered[], raw: RawMessage[]) {
          position ??= raw[batch.findIndex(({ n }) => n === 37)]?.position;
          refusing(37, () => new TypeError("thirty-seven"))(batch);
        },
      });
      const { dead, consumer: undertakes } = undertaker();
      const { broker, send } = await start({ readings: [consumer], "readings.dead": [undertakes] }, { maxRetries: 2 });
      await Promise.all([
        send(numbers(1, 36)),
        broker.publish("readings", { n: 37 }, { key: "tenant/device", headers: { "x-mine": "kept" } }),
        send(numbers(38, 100)),
      ]);
      await arrivedMixed(
        t,
        seen,
        numbers(1, 100).filter((n) => n !== 37),
      );
      await waited(t, () => assert.equal(dead.length, 1));
      const [{ payload, raw }] = dead as [(typeof dead)[0]];
      assert.deepEqual(payload, { n: 37 });
      assert.equal(raw.key, "tenant/device");
      assert.partialDeepStrictEqual(raw.headers, {
        "x-mine": "kept",
        "x-original-channel": "readings",
        "x-original-group": "store",
        "x-dead-cause": "delivery_limit",
        "x-error-message": "thirty-seven",
        "x-error-type": "TypeError",
        "x-original-position": String(position),
      });
      assert.ok(Number(raw.headers["x-attempts"]) >= 3, "at least one attempt and two retries");
      assert.ok(Math.abs(Date.parse(String(raw.headers["x-dead-at"])) - Date.now()) < 60_000);
    });

    test("a message that stands alone is given all its retries before it is put aside", async (t) => {
      const start = bench(t);
      let alone = 0;
      const { seen, consumer } = noting("store", {
        handler(batch: Numbered[]) {
          if (!batch.some(({ n }) => n === 2)) return;
          if (batch.length === 1) alone++;
          throw new Error("two");
        },
      });
      const { send } = await start({ readings: [consumer] }, { maxRetries: 2 });
      await send([1, 2, 3]);
      await arrived(t, seen, [1, 3]);
      assert.equal(alone, 3);
    });

    test("an error that passes is retried in place and leaves no dead letter", async (t) => {
      const start = bench(t);
      let failures = 3;
      const { seen, consumer } = noting("store", {
        handler() {
          if (failures-- > 0) throw new Error("not yet");
        },
      });
      const { dead, consumer: undertakes } = undertaker();
      const { send } = await start({ readings: [consumer], "readings.dead": [undertakes] }, { maxRetries: 3 });
      await send(numbers(1, 20));
      await arrived(t, seen, numbers(1, 20));
      assert.deepEqual(dead, []);
    });

    test("each wait before a retry is longer, up to the longest", async (t) => {
      const start = bench(t);
      const attempts: number[] = [];
      const { seen, consumer } = noting("store", {
        handler() {
          attempts.push(performance.now());
          if (attempts.length < 6) throw new EngineUnavailableError("away");
        },
      });
      const { send } = await start({ readings: [consumer] }, { retryMs: 20, retryMaxMs: 80 });
      await send([1]);
      await arrived(t, seen, [1]);
      // At least half of 20, 40, 80, 80, 80: the other half is random. Timers may be a millisecond early.
      for (const [i, least] of [10, 20, 40, 40, 40].entries()) {
        const wait = (attempts[i + 1] as number) - (attempts[i] as number);
        assert.ok(wait >= least - 1.5, `wait ${i + 1} was ${wait} ms`);
      }
    });

    test("an error that is not retryable is poison at once", async (t) => {
      const start = bench(t);
      let calls = 0;
      const seen: number[] = [];
      const consumer: Consumer = {
        group: "store",
        handler({ n }: Numbered) {
          if (n === 2) {
            calls++;
            throw final("no such metric");
          }
          seen.push(n);
        },
      };
      const { dead, consumer: undertakes } = undertaker();
      const { send } = await start({ readings: [consumer], "readings.dead": [undertakes] });
      await send([1, 2, 3]);
      await arrived(t, seen, [1, 3]);
      await waited(t, () => assert.equal(dead.length, 1));
      assert.equal(calls, 1);
      assert.partialDeepStrictEqual(dead[0]?.raw.headers, {
        "x-error-type": "BAD_READING",
        "x-error-code": "422",
        "x-attempts": "1",
      });
    });

    test("several poison messages of one batch are each put aside, in order", async (t) => {
      const start = bench(t);
      const bad = [1, 2, 20, 50];
      const { seen, consumer } = noting("store", {
        handler(batch: Numbered[]) {
          if (batch.some(({ n }) => bad.includes(n))) throw final("bad");
        },
      });
      const { dead, consumer: undertakes } = undertaker();
      const { send } = await start({ readings: [consumer], "readings.dead": [undertakes] });
      await send(numbers(1, 60));
      await arrived(
        t,
        seen,
        numbers(1, 60).filter((n) => !bad.includes(n)),
      );
      await waited(t, () =>
        assert.deepEqual(
          dead.map(({ payload }) => payload),
          bad.map((n) => ({ n })),
        ),
      );
    });

    test("a raw payload that is not JSON is poison for its reader, not for the others", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting();
      const { broker, adapter } = await start({ readings: [consumer] });
      const undertaken = t.mock.method(adapter, "publish");
      await Promise.all(
        ['{"n":1}', "{", '{"n":3}'].map((text) => broker.publish("readings", text, { raw: true, key: "k" })),
      );
      await arrived(t, seen, [1, 3]);
      const dead = undertaken.mock.calls.filter(({ arguments: [name] }) => String(name).endsWith(".dead"));
      assert.deepEqual(
        dead.map(({ arguments: [, payload] }) => String(payload)),
        ["{"],
      );
    });

    test("an outage is retried in place, longer than any retries, until it is over; nothing is put aside", async (t) => {
      const start = bench(t);
      let attempts = 0;
      let away = true;
      const { seen, consumer } = noting("store", {
        handler() {
          attempts++;
          if (away) throw new EngineUnavailableError("the store is away");
        },
      });
      const { dead, consumer: undertakes } = undertaker();
      const { send } = await start({ readings: [consumer], "readings.dead": [undertakes] }, { maxRetries: 1 });
      await send(numbers(1, 30));
      await waited(t, () => assert.ok(attempts > 10));
      assert.deepEqual(seen, []);
      away = false;
      await arrived(t, seen, numbers(1, 30));
      assert.deepEqual(dead, []);
    });

    test("stop ends an outage's wait, and the messages come again after a restart", async (t) => {
      const start = bench(t);
      let attempts = 0;
      const { consumer } = noting("store", {
        handler() {
          attempts++;
          throw new EngineUnavailableError("away");
        },
      });
      const before = await start({ readings: [consumer] }, { retryMs: 60_000, retryMaxMs: 60_000 });
      await before.send([1]);
      await waited(t, () => assert.equal(attempts, 1));
      await before.stop();

      const second = noting();
      await start({ readings: [second.consumer] });
      await arrived(t, second.seen, [1]);
    });

    test("a dead letter that cannot be written keeps its batch: nothing behind it is delivered before it is", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting("store", { batch: { size: 1 }, handler: refusing(2, () => final("two")) });
      const { adapter, send } = await start({ readings: [consumer] });
      const publish = adapter.publish.bind(adapter);
      let refused = 0;
      let writable = false;
      adapter.publish = (name, payload, options) => {
        if (!name.endsWith(".dead") || writable) return publish(name, payload, options);
        refused++;
        return Promise.reject(new Error("no space"));
      };
      await send([1, 2, 3]);
      await waited(t, () => assert.ok(refused > 5));
      assert.deepEqual(seen, [1]);
      assert.equal(await adapter.lag("readings", "store"), 2);
      writable = true;
      await arrived(t, seen, [1, 3]);

      const { dead, consumer: undertakes } = undertaker();
      await start({ "readings.dead": [undertakes] });
      await waited(t, () =>
        assert.deepEqual(
          dead.map(({ payload }) => payload),
          [{ n: 2 }],
        ),
      );
    });

    test("stop ends while a dead letter cannot be written, and its message comes again", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting("store", { batch: { size: 1 }, handler: refusing(2, () => final("two")) });
      const before = await start({ readings: [consumer] });
      const publish = before.adapter.publish.bind(before.adapter);
      let refused = 0;
      before.adapter.publish = (name, payload, options) => {
        if (!name.endsWith(".dead")) return publish(name, payload, options);
        refused++;
        return Promise.reject(new Error("no space"));
      };
      await before.send([1, 2, 3]);
      await waited(t, () => assert.ok(refused > 2));
      await before.stop();
      assert.deepEqual(seen, [1]);

      const second = noting();
      await start({ readings: [second.consumer] });
      await arrived(t, second.seen, [2, 3]);
    });

    test("a message that is sent again to one group is passed over by every other, alone and in a batch", async (t) => {
      const start = bench(t);
      const [a, b] = [noting("a"), noting("b")];
      const { broker, send } = await start({ readings: [a.consumer, b.consumer] });
      const again = (n: number) => broker.publish("readings", { n }, { key: "k", headers: { "x-redrive-group": "a" } });
      await Promise.all([send([1]), again(2), send([3])]);
      await again(4);
      await arrived(t, a.seen, [1, 2, 3, 4]);
      await waited(t, async () => assert.equal(await broker.facts.lag("readings", "b"), 0));
      assert.deepEqual(b.seen, [1, 3]);
    });

    test("a message that was sent again to its group and fails again is a dead letter for everybody", async (t) => {
      const start = bench(t);
      const { consumer } = noting("store", { handler: refusing(1, () => final("one")) });
      const { dead, consumer: undertakes } = undertaker();
      const { broker } = await start({ readings: [consumer], "readings.dead": [undertakes] });
      await broker.publish("readings", { n: 1 }, { headers: { "x-redrive-group": "store" } });
      await waited(t, () => assert.equal(dead.length, 1));
      assert.equal(dead[0]?.raw.headers["x-dead-cause"], "rejected");
    });

    test("the lag of every group is told at once", async (t) => {
      const start = bench(t);
      const away = noting("away", {
        handler() {
          throw new EngineUnavailableError("away");
        },
      });
      const { broker, send } = await start({ readings: [noting("well").consumer, away.consumer] });
      await send([1, 2, 3]);
      await waited(t, async () => {
        const lags = (await broker.facts.lags()).sort((x, y) => x.group.localeCompare(y.group));
        assert.deepEqual(lags, [
          { channel: "readings", group: "away", lag: 3 },
          { channel: "readings", group: "well", lag: 0 },
        ]);
      });
    });

    test("a consumer of text is given what is not JSON, too", async (t) => {
      const start = bench(t);
      const seen: string[] = [];
      const consumer: Consumer = {
        group: "store",
        batch: {},
        text: true,
        handler: (batch: string[]) => void seen.push(...batch),
      };
      const { broker } = await start({ readings: [consumer] });
      for (const text of ['{"n": 1}', "{"]) await broker.publish("readings", text, { raw: true, key: "k" });
      await waited(t, () => assert.deepEqual(seen, ['{"n": 1}', "{"]));
    });

    test("a running consumer replays from a position", async (t) => {
      const start = bench(t);
      const positions: Position[] = [];
      const { seen, consumer } = noting("store", {
        handler: (_batch, raw: RawMessage[]) => void positions.push(...raw.map(({ position }) => position)),
      });
      const { broker, send } = await start({ readings: [consumer] });
      await send(numbers(1, 100));
      await arrived(t, seen, numbers(1, 100));
      await broker.facts.seek("readings", "store", { position: positions[59] as Position });
      await arrived(t, seen, [...numbers(1, 100), ...numbers(60, 100)]);
      await waited(t, async () => assert.equal(await broker.facts.lag("readings", "store"), 0));
    });

    test("a running consumer replays from a time; before the oldest message is the oldest", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting();
      const { broker, send } = await start({ readings: [consumer] });
      await send([1, 2]);
      await sleep(20);
      const between = new Date();
      await sleep(20);
      await send([3, 4]);
      await arrived(t, seen, [1, 2, 3, 4]);
      await broker.facts.seek("readings", "store", { time: between });
      await arrived(t, seen, [1, 2, 3, 4, 3, 4]);
      await broker.facts.seek("readings", "store", { time: new Date(0) });
      await arrived(t, seen, [1, 2, 3, 4, 3, 4, 1, 2, 3, 4]);
      await broker.facts.seek("readings", "store", { time: new Date(Date.now() + 60_000) });
      await send([5]);
      await arrived(t, seen, [1, 2, 3, 4, 3, 4, 1, 2, 3, 4, 5]);
    });

    test("a replay that is ordered while a batch runs is not undone by that batch's commit", async (t) => {
      const start = bench(t);
      const entered = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const { seen, consumer } = noting("store", {
        async handler() {
          entered.resolve();
          await go.promise;
        },
      });
      const { broker, send } = await start({ readings: [consumer] });
      await send([1, 2, 3]);
      await entered.promise;
      await broker.facts.seek("readings", "store", { time: new Date(0) });
      go.resolve();
      await arrived(t, seen, [1, 2, 3, 1, 2, 3]);
    });

    test("a replay that is ordered while nobody consumes is kept for the next start", async (t) => {
      const start = bench(t);
      const first = noting();
      const before = await start({ readings: [first.consumer] });
      await before.send([1, 2, 3]);
      await arrived(t, first.seen, [1, 2, 3]);
      await before.stop();

      const operator = await start();
      await operator.broker.facts.seek("readings", "store", { time: new Date(0) });
      await operator.stop();

      const second = noting();
      await start({ readings: [second.consumer] });
      await arrived(t, second.seen, [1, 2, 3]);
    });

    test("lag is what a group has not committed", async (t) => {
      const start = bench(t);
      const gate = Promise.withResolvers<void>();
      const { seen, consumer } = noting("store", { handler: () => gate.promise });
      const { broker, send } = await start({ readings: [consumer] });
      await send(numbers(1, 10));
      assert.equal(await broker.facts.lag("readings", "store"), 10);
      gate.resolve();
      await arrived(t, seen, numbers(1, 10));
      await waited(t, async () => assert.equal(await broker.facts.lag("readings", "store"), 0));
    });

    test("asking for a group that never was names it", async (t) => {
      const { broker, send } = await bench(t)();
      await send([1]);
      const refusal = { type: "GROUP_NOT_FOUND", code: 404, message: /'nobody'.*'readings'/ };
      await assert.rejects(broker.facts.position("readings", "nobody"), refusal);
      await assert.rejects(broker.facts.lag("readings", "nobody"), refusal);
      await assert.rejects(broker.facts.seek("readings", "nobody", { time: new Date(0) }), refusal);
    });

    test("what publishing was acknowledged for is there for another adapter at once", async (t) => {
      const start = bench(t);
      const { broker } = await start();
      const { seen, consumer } = noting();
      const other = await start({ readings: [consumer] });
      for (const n of numbers(1, 10)) {
        await broker.publish("readings", { n }, { key: "k" });
        assert.ok((await other.adapter.lag("readings", "store")) >= n - seen.length, `message ${n} is not there`);
      }
      await arrived(t, seen, numbers(1, 10));
    });

    test("while it stops publishing is acknowledged and stored, or refused: nothing is acknowledged and lost", async (t) => {
      const start = bench(t);
      const draining = noting("slow", { handler: () => sleep(100) });
      const { broker, stop } = await start({ readings: [draining.consumer] });
      const acknowledged: number[] = [];
      let refusal: unknown;
      const publishing = (async () => {
        for (let n = 1; refusal === undefined; n++)
          await broker.publish("readings", { n }, { key: "k" }).then(
            () => acknowledged.push(n),
            (error) => {
              refusal = error;
            },
          );
      })();
      await waited(t, () => assert.ok(acknowledged.length > 10));
      await Promise.all([stop(), publishing]);
      assert.equal((refusal as { type?: string }).type, "CHANNEL_NOT_CONNECTED");

      const { seen, consumer } = noting("store", { batch: { size: 500 } });
      await start({ readings: [consumer] });
      await arrived(t, seen, acknowledged);
    });

    test("publishing is refused when stopped, rather than lost", async (t) => {
      const { broker, adapter, stop } = await bench(t)();
      await stop();
      await assert.rejects(broker.publish("readings", { n: 1 }), { type: "CHANNEL_NOT_CONNECTED", code: 503 });
      await assert.rejects(adapter.publishMany(adapter.addPrefixTopic("readings"), [{ payload: 1 }]), {
        type: "CHANNEL_NOT_CONNECTED",
      });
    });

    test("what was published before a stop is acknowledged and delivered", async (t) => {
      const start = bench(t);
      const first = await start();
      const sent = first.send(numbers(1, 5000));
      await Promise.all([first.stop(), sent]);
      const { seen, consumer } = noting("store", { batch: { size: 500 } });
      await start({ readings: [consumer] });
      await arrived(t, seen, numbers(1, 5000));
    });

    test("above the bound of waiting messages publishing is refused with 429, and goes on when there is room", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting();
      const { broker, send } = await start({ readings: [consumer] }, { pendingMax: 10 });
      const outcomes = await Promise.allSettled(numbers(1, 15).map((n) => broker.publish("readings", { n })));
      assert.deepEqual(
        outcomes.map(({ status }) => status),
        [...Array(10).fill("fulfilled"), ...Array(5).fill("rejected")],
      );
      const [refusal] = outcomes.slice(10) as PromiseRejectedResult[];
      assert.equal(refusal?.reason.type, "CHANNEL_FULL");
      assert.equal(refusal?.reason.code, 429);
      await send([16]);
      await arrivedMixed(t, seen, [...numbers(1, 10), 16]);
    });

    test("publishMany takes all or, above the bound of waiting messages, none", async (t) => {
      const start = bench(t);
      const { seen, consumer } = noting();
      const { adapter } = await start({ readings: [consumer] }, { pendingMax: 10 });
      const channel = adapter.addPrefixTopic("readings");
      const items = (list: number[]) => list.map((n) => ({ payload: { n }, key: "k" }));
      const first = adapter.publishMany(channel, items(numbers(1, 6)));
      await assert.rejects(adapter.publishMany(channel, items(numbers(7, 12))), { type: "CHANNEL_FULL", code: 429 });
      await first;
      // More than there will ever be room for: to try again would be for ever.
      await assert.rejects(adapter.publishMany(channel, items(numbers(7, 17))), {
        type: "CHANNEL_PAYLOAD",
        retryable: false,
        message: /11 messages .* 10 /,
      });
      await adapter.publishMany(channel, items([18]));
      await arrived(t, seen, [...numbers(1, 6), 18]);
    });

    if (engine.fill)
      test("an engine without room rejects exactly what it could not take, and goes on when there is room", async (t) => {
        const start = bench(t);
        const { seen, consumer } = noting();
        const { adapter, broker } = await start({ readings: [consumer] });
        const publish = (n: number) => broker.publish("readings", { n, pad: "x".repeat(10_000) }, { key: "k" });
        for (const n of numbers(1, 10)) await publish(n);
        const makeRoom = engine.fill?.(adapter);
        const full = { type: "CHANNEL_COMMIT_FAILED", code: 503, outage: true, message: /full/ };
        for (const n of numbers(11, 20)) await assert.rejects(publish(n), full);
        makeRoom?.();
        for (const n of numbers(21, 30)) await publish(n);
        await arrived(t, seen, [...numbers(1, 10), ...numbers(21, 30)]);
      });

    if (engine.fill)
      test("a dead letter that the engine has no room for keeps its message until there is room", async (t) => {
        const start = bench(t);
        const entered = Promise.withResolvers<void>();
        const go = Promise.withResolvers<void>();
        const { seen, consumer } = noting("store", {
          batch: { size: 1 },
          async handler(batch: Numbered[]) {
            entered.resolve();
            await go.promise;
            refusing(1, () => final("one"))(batch);
          },
        });
        const { dead, consumer: undertakes } = undertaker();
        const { adapter, broker } = await start({ readings: [consumer], "readings.dead": [undertakes] });
        await Promise.all([1, 2].map((n) => broker.publish("readings", { n, pad: "x".repeat(10_000) }, { key: "k" })));
        await entered.promise;
        const makeRoom = engine.fill?.(adapter);
        go.resolve();
        await sleep(100);
        assert.equal(await adapter.lag("readings", "store"), 2);
        assert.deepEqual([seen, dead], [[], []]);
        makeRoom?.();
        await arrived(t, seen, [2]);
        await waited(t, () => assert.equal(dead.length, 1));
      });

    if (engine.breakDown)
      test("a position that cannot be committed is tried again; its batch is not delivered twice", async (t) => {
        const start = bench(t);
        let repair: (() => void) | undefined;
        const { seen, consumer } = noting("store", {
          handler() {
            repair ??= engine.breakDown?.(adapter);
          },
        });
        const { adapter, broker, send } = await start({ readings: [consumer] });
        await send([1]);
        await arrived(t, seen, [1]);
        await assert.rejects(broker.publish("readings", { n: 0 }), { type: "CHANNEL_COMMIT_FAILED", outage: true });
        await sleep(50);
        assert.equal(await adapter.lag("readings", "store"), 1);
        repair?.();
        await send([2]);
        await arrived(t, seen, [1, 2]);
        await waited(t, async () => assert.equal(await adapter.lag("readings", "store"), 0));
      });

    test("a raw payload that is no UTF-8 is refused, rather than changed", async (t) => {
      const { broker } = await bench(t)();
      await assert.rejects(broker.publish("readings", Buffer.from([0x22, 0xff, 0x22]), { raw: true }), {
        type: "CHANNEL_PAYLOAD",
        message: /readings: .*UTF-8/,
      });
    });

    test("a payload without JSON form is refused, naming the channel", async (t) => {
      const { broker } = await bench(t)();
      for (const payload of [undefined, () => {}, 1n])
        await assert.rejects(broker.publish("readings", payload), { type: "CHANNEL_PAYLOAD", message: /readings/ });
      await assert.rejects(broker.publish("readings", { n: 1 }, { raw: true }), { message: /string or a Buffer/ });
    });

    test("a channel that is not declared is refused, naming it", async (t) => {
      const { broker } = await bench(t)();
      await assert.rejects(broker.publish("raedings", {}), /'raedings' is not declared/);
    });

    for (const [field, wrong] of Object.entries({
      "batch.size": { batch: { size: 0 } },
      maxRetries: { maxRetries: -1 },
      startFrom: { startFrom: "middle" as "end" },
    }))
      test(`a consumer with a wrong ${field} is refused, naming it`, async (t) => {
        const { consumer } = noting("store", wrong);
        await assert.rejects(bench(t)({ readings: [consumer] }), {
          message: RegExp(`store of \\S*readings: ${field}`),
        });
      });
  });
}
