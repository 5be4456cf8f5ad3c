import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Context, Errors, type ServiceSchema } from "moleculer";
import type { StreamBroker } from "../../lib/cluster/streams.ts";
import { startBroker } from "../support/broker.ts";
import { type NatsServer, startNats } from "../support/engines/nats.ts";
import { freePort } from "../support/engines/process.ts";

const WAIT = { timeout: 20_000, interval: 20 };
const CHUNK = 65_536;
/** What may be under way between a stream and a reader that stands still. */
const UNDERWAY_BYTES_MAX = 2_097_152;

const folder = mkdtempSync(join(tmpdir(), "ganglion-streams-"));
after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));

let produced = 0;
let destroyed = 0;
/** Bytes that can be told by their place, as many as are asked for. */
const source = (bytes = Number.POSITIVE_INFINITY, failure?: Error) => {
  let at = 0;
  return new Readable({
    read() {
      if (at >= bytes) {
        if (failure) this.destroy(failure);
        else this.push(null);
        return;
      }
      const chunk = Buffer.alloc(Math.min(CHUNK, bytes - at), (at / CHUNK) % 251);
      at += chunk.length;
      produced += chunk.length;
      this.push(chunk);
    },
    destroy(error, done) {
      destroyed++;
      done(error);
    },
  });
};

const far: ServiceSchema = {
  name: "far",
  actions: {
    give: (ctx: Context<{ bytes?: number; fail?: boolean }>) =>
      source(ctx.params.bytes, ctx.params.fail ? new Errors.MoleculerClientError("Enough.", 409, "ENOUGH") : undefined),
    async take(ctx: Context<{ bytesMax?: number }>) {
      let bytes = 0;
      for await (const chunk of ctx.stream as unknown as Readable) {
        bytes += (chunk as Buffer).length;
        if (bytes > (ctx.params.bytesMax ?? Number.POSITIVE_INFINITY))
          throw new Errors.MoleculerClientError("Too much.", 413, "TOO_MUCH");
      }
      return { bytes, meta: Object.keys(ctx.meta) };
    },
    async stall(ctx: Context) {
      await sleep(500);
      (ctx.stream as unknown as Readable).destroy();
      return {};
    },
    large: (ctx: Context<{ bytes: number }>) => ({ text: "x".repeat(ctx.params.bytes) }),
  },
};

for (const shape of ["tcp", "nats"] as const)
  describe(`streams between processes over ${shape}`, () => {
    let nats: NatsServer | undefined;
    let near: Awaited<ReturnType<typeof startBroker>>;
    let other: Awaited<ReturnType<typeof startBroker>>;
    before(async () => {
      nats = shape === "nats" ? await startNats() : undefined;
      mkdirSync(join(folder, shape));
      const env = {
        DATA_DIR: join(folder, shape),
        TRANSPORTER: nats?.url ?? `tcp://127.0.0.1:${await freePort()}/near`,
        TRANSPORTER_PACKET_BYTES_MAX: "8000000",
        NODE_TIMEOUT_SECONDS: "2",
      };
      near = await startBroker([], { ...env, NODE_ID: "near" });
      other = await startBroker([far], { ...env, NODE_ID: "far" });
      await near.broker.waitForServices(["far"], 10_000, 20);
    });
    after(async () => {
      await near?.stop();
      await other?.stop();
      await nats?.kill();
    });
    const offers = ({ broker }: typeof near) => (broker as unknown as StreamBroker).streamOffers.size;

    test("an answer that is a stream arrives whole and in order", async () => {
      const stream = await near.broker.call<Readable, object>("far.give", { bytes: 20 * CHUNK + 7 });
      let at = 0;
      for await (const chunk of stream)
        for (const byte of chunk as Buffer) if (byte !== Math.floor(at++ / CHUNK) % 251) assert.fail(`byte ${at}`);
      assert.equal(at, 20 * CHUNK + 7);
      assert.equal(offers(other), 0);
    });

    test("a reader that stands still makes the stream stand still; one that goes away ends it", async (t) => {
      produced = 0;
      destroyed = 0;
      const stream = await near.broker.call<Readable, object>("far.give", {});
      await new Promise((resolve) => stream.once("readable", resolve));
      await sleep(500);
      assert.ok(produced < UNDERWAY_BYTES_MAX, `${produced} bytes`);
      const stood = produced;
      for (
        let read = 0;
        read < 10 * CHUNK;
        read += ((await stream.iterator({ destroyOnReturn: false }).next()).value as Buffer).length
      );
      assert.ok(produced > stood);
      stream.destroy();
      await t.waitFor(() => assert.equal(destroyed, 1), WAIT);
      assert.equal(offers(other), 0);
    });

    test("a stream that fails fails at its reader, with code and type", async () => {
      const stream = await near.broker.call<Readable, object>("far.give", { bytes: 3 * CHUNK, fail: true });
      await assert.rejects(
        async () => {
          for await (const _ of stream);
        },
        { code: 409, type: "ENOUGH" },
      );
    });

    test("an upload arrives whole; nothing of how it came is left in what the caller or the action sees", async () => {
      const meta = { tenantId: "t" };
      const options = { stream: source(20 * CHUNK + 7), meta };
      const result = await near.broker.call<{ bytes: number; meta: string[] }, object>("far.take", {}, options);
      assert.equal(result.bytes, 20 * CHUNK + 7);
      assert.deepEqual(result.meta, ["tenantId"]);
      assert.equal(offers(near), 0);
    });

    test("an upload waits for who reads it, and an error of theirs is the caller's", async () => {
      produced = 0;
      await near.broker.call("far.stall", {}, { stream: source() });
      assert.ok(produced < UNDERWAY_BYTES_MAX, `${produced} bytes`);
      await assert.rejects(near.broker.call("far.take", { bytesMax: CHUNK }, { stream: source() }), {
        code: 413,
        type: "TOO_MUCH",
      });
      assert.equal(offers(near), 0);
    });

    test("an answer or a request that is larger than a message may be is an error that says so, and the next one works", async () => {
      await assert.rejects(near.broker.call("far.large", { bytes: 9_000_000 }), {
        code: 422,
        type: "ANSWER_TOO_LARGE",
      });
      await assert.rejects(near.broker.call("far.take", { text: "x".repeat(9_000_000) }), {
        code: 413,
        type: "BODY_TOO_LARGE",
      });
      const { text } = await near.broker.call<{ text: string }, object>("far.large", { bytes: 4_000_000 });
      assert.equal(text.length, 4_000_000);
    });

    test("when the other process ends, its streams end with an error", async () => {
      const stream = await near.broker.call<Readable, object>("far.give", {});
      await other.broker.stop();
      await assert.rejects(async () => {
        for await (const _ of stream);
      });
      await other.broker.start();
    });
  });
