import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ServiceBroker, type ServiceSchema } from "moleculer";
import { type ChannelBroker, channelMiddlewares } from "../../../lib/channels/middlewares.ts";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";
import type { WorkFile } from "../../../lib/channels/work-file.ts";
import { type HealthBroker, health } from "../../../lib/health.ts";

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

/** Lets a test take its file's writability. */
class OpenedWork extends SqliteWorkAdapter {
  opened: WorkFile | undefined;

  protected override openFile(): WorkFile {
    this.opened = super.openFile();
    return this.opened;
  }
}

test("health tells of each kind's engine when it is not connected, and of the work channel why it cannot write, until it can", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "channel-health-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, "work.db");
  const facts = new SqliteFactsAdapter({ file: join(dir, "facts.db"), synchronous: "NORMAL" });
  const work = new OpenedWork({ file, synchronous: "NORMAL" });
  const broker = new ServiceBroker({
    logger: false,
    skipProcessEventRegistration: true,
    middlewares: [health, ...channelMiddlewares({ facts, work, channels })],
  }) as ServiceBroker & ChannelBroker & HealthBroker;
  const away = ["facts channel: not connected", "work channel: not connected"];
  assert.deepEqual(broker.health.reasons(), away);
  await broker.start();
  await broker.publish("jobs", { n: 1 });
  assert.deepEqual(broker.health.reasons(), []);

  const readOnly = (value: 0 | 1) => work.opened?.db.exec(`PRAGMA query_only=${value}`);
  readOnly(1);
  await assert.rejects(broker.publish("jobs", { n: 2 }), { code: 503 });
  await broker.publish("readings", { n: 1 });
  assert.deepEqual(broker.health.reasons(), [`work channel: the disk or the file is read-only (${file})`]);
  readOnly(0);
  await t.waitFor(() => assert.deepEqual(broker.health.reasons(), []), { timeout: 15_000 });
  await broker.publish("jobs", { n: 3 });

  await broker.stop();
  assert.deepEqual(broker.health.reasons(), away);
});
