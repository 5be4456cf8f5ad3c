import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { FactsAdapter } from "../../../lib/channels/base-adapter.ts";
import { LogFile } from "../../../lib/channels/log-file.ts";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";
import { consumingBroker } from "./consuming-broker.ts";
import { factsChannelSuite } from "./suite.ts";

const WAIT = { timeout: 15_000 };

/** Lets a test make the file full, or its transactions fail. */
class OpenedAdapter extends SqliteFactsAdapter {
  opened!: LogFile;

  protected override openFile(): LogFile {
    this.opened = super.openFile();
    return this.opened;
  }
}

const openedBy = (adapter: FactsAdapter): LogFile => {
  assert.ok(adapter instanceof OpenedAdapter);
  return adapter.opened;
};

factsChannelSuite({
  name: "SQLite",
  order: "channel",
  create: (dir, options) => new OpenedAdapter({ ...options, file: join(dir, "facts.db"), synchronous: "NORMAL" }),
  fill(adapter) {
    const { db } = openedBy(adapter);
    // Never less than what the file has: SQLite takes this as "no page more", and then reports a full disk.
    db.exec("PRAGMA max_page_count=1");
    return () => db.exec("PRAGMA max_page_count=100000");
  },
  breakDown(adapter) {
    const file = openedBy(adapter);
    const { transaction } = file;
    file.transaction = () => {
      throw new Error("disk I/O error");
    };
    return () => {
      file.transaction = transaction;
    };
  },
});

function newFile(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "facts-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return join(dir, "facts.db");
}

test("all messages of one turn share a commit, of at most groupMax", async (t) => {
  const adapter = new OpenedAdapter({ file: newFile(t), groupMax: 2000 });
  const broker = await consumingBroker(adapter);
  t.after(() => broker.stop());
  await broker.publish("readings", { n: 0 });
  const { mock } = t.mock.method(adapter.opened, "transaction");
  await Promise.all(Array.from({ length: 100 }, (_, n) => broker.publish("readings", { n })));
  assert.equal(mock.callCount(), 1);
  mock.resetCalls();
  await Promise.all(Array.from({ length: 5000 }, (_, n) => broker.publish("readings", { n })));
  assert.equal(mock.callCount(), 3);
});

test("a payload above payloadCharsMax is refused, naming channel and limit", async (t) => {
  const broker = await consumingBroker(new SqliteFactsAdapter({ file: newFile(t), payloadCharsMax: 100 }));
  t.after(() => broker.stop());
  await assert.rejects(broker.publish("readings", "x".repeat(99)), { code: 422, message: /readings: 101 .* 100 / });
  await broker.publish("readings", "x".repeat(98));
});

test("above pendingCharsMax publishing is refused until a commit", async (t) => {
  const broker = await consumingBroker(new SqliteFactsAdapter({ file: newFile(t), pendingCharsMax: 1000 }));
  t.after(() => broker.stop());
  const large = broker.publish("readings", "x".repeat(2000));
  await assert.rejects(broker.publish("readings", "x"), { type: "CHANNEL_FULL" });
  await large;
  await broker.publish("readings", "x");
});

test("large messages are consumed in smaller batches", async (t) => {
  const sizes: number[] = [];
  const broker = await consumingBroker(new SqliteFactsAdapter({ file: newFile(t), batchCharsMax: 100_000 }), {
    readings: [{ group: "store", batch: { size: 500 }, handler: (batch: unknown[]) => void sizes.push(batch.length) }],
  });
  t.after(() => broker.stop());
  await Promise.all(Array.from({ length: 200 }, () => broker.publish("readings", "x".repeat(20_000))));
  await t.waitFor(async () => assert.equal(await broker.facts.lag("readings", "store"), 0), WAIT);
  assert.equal(Math.max(...sizes.slice(1)), 4);
});

test("a file that a newer version wrote is refused, naming it", async (t) => {
  const file = newFile(t);
  const db = new DatabaseSync(file);
  db.exec("PRAGMA user_version=99");
  db.close();
  await assert.rejects(consumingBroker(new SqliteFactsAdapter({ file })), {
    message: `${file}: facts channel of version 99, written by a newer program; this one knows version 2`,
  });
});

test("timestamps never decrease although the clock is set back, so that a time is found by bisection", (t) => {
  const file = new LogFile({ file: newFile(t) });
  t.after(() => file.close());
  const log = file.channel("readings");
  for (const now of [1000, 2000, 1500, 3000])
    file.transaction(() => log.append([null, null, "1", null, null, "2"], now));
  assert.deepEqual(
    log.read(1, 100).map(([position, , , , timestamp]) => [position, timestamp]),
    [1000, 1000, 2000, 2000, 2000, 2000, 3000, 3000].map((timestamp, i) => [i + 1, timestamp]),
  );
  assert.deepEqual(
    [0, 1000, 1001, 2000, 2001, 3000, 3001].map((time) => log.positionAt(time)),
    [1, 1, 3, 3, 7, 7, 9],
  );
});
