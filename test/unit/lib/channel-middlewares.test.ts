import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import { type ChannelBroker, channelMiddlewares } from "../../../lib/channels/middlewares.ts";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";

const channels = { readings: { kind: "facts" }, jobs: { kind: "work" } } as const;

test("a channel whose kind has no engine is refused, naming it", () => {
  const facts = new SqliteFactsAdapter({ file: "never-opened.db" });
  assert.throws(() => channelMiddlewares({ facts, channels }), { message: /channel 'jobs' is of kind 'work'/ });
});

test("publish knows each channel's kind, and one service may consume both", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "channel-kinds-"));
  const facts = new SqliteFactsAdapter({ file: join(dir, "facts.db"), synchronous: "NORMAL" });
  const work = new SqliteWorkAdapter({ file: join(dir, "work.db"), synchronous: "NORMAL" });
  const broker = new ServiceBroker({
    logger: false,
    skipProcessEventRegistration: true,
    middlewares: channelMiddlewares({ facts, work, channels }),
  }) as ServiceBroker & ChannelBroker;
  const seen: unknown[] = [];
  const noting = (what: string) => ({ handler: (ctx: { params: unknown }) => void seen.push([what, ctx.params]) });
  broker.createService({
    name: "both",
    facts: { readings: noting("fact") },
    work: { jobs: noting("item") },
  } as unknown as ServiceSchema);
  broker.createService({
    name: "sender",
    actions: {
      async send(ctx) {
        await broker.publish("readings", { n: 1 }, { ctx });
        await broker.publish("jobs", { n: 2 }, { ctx });
      },
    },
  });
  await broker.start();
  t.after(async () => {
    await broker.stop();
    rmSync(dir, { recursive: true });
  });
  await broker.call("sender.send");
  await broker.publish("jobs", { n: 3 });
  await t.waitFor(
    () =>
      assert.deepEqual([...seen].map((one) => JSON.stringify(one)).sort(), [
        '["fact",{"n":1}]',
        '["item",{"n":2}]',
        '["item",{"n":3}]',
      ]),
    { timeout: 15_000 },
  );
  await assert.rejects(broker.publish("neither", {}), { message: /'neither' is not declared/ });
});
