import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import type { WorkAdapter } from "../../../lib/channels/base-adapter.ts";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";
import type { WorkFile } from "../../../lib/channels/work-file.ts";
import { workChannelSuite } from "./suite.ts";
import { workingBroker } from "./working-broker.ts";

/** Lets a test make its transactions fail. */
class OpenedAdapter extends SqliteWorkAdapter {
  opened!: WorkFile;

  protected override openFile(): WorkFile {
    this.opened = super.openFile();
    return this.opened;
  }
}

const openedBy = (adapter: WorkAdapter): WorkFile => {
  assert.ok(adapter instanceof OpenedAdapter);
  return adapter.opened;
};

workChannelSuite({
  name: "SQLite",
  create: (dir, options) =>
    new OpenedAdapter({ pollMs: 20, sweepMs: 50, ...options, file: join(dir, "work.db"), synchronous: "NORMAL" }),
  refuseDeadLetters(adapter) {
    const { db, path } = openedBy(adapter);
    db.exec(`CREATE TRIGGER refuse BEFORE INSERT ON item WHEN new.headers LIKE '%x-dead-cause%'
      BEGIN SELECT RAISE(ABORT, 'no space for dead letters'); END`);
    return () => {
      const later = new DatabaseSync(path);
      later.exec("DROP TRIGGER refuse");
      later.close();
    };
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
  const dir = mkdtempSync(join(tmpdir(), "work-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return join(dir, "work.db");
}

test("a dead-letter channel that is full keeps the item until there is room", async (t) => {
  const adapter = new SqliteWorkAdapter({
    file: newFile(t),
    depthMax: 2,
    retryMs: 2,
    retryMaxMs: 20,
    stopTimeoutMs: 100,
  });
  const broker = await workingBroker(adapter, {
    jobs: [
      {
        group: "workers",
        handler() {
          throw Object.assign(new Error("no"), { retryable: false });
        },
      },
    ],
  });
  t.after(() => broker.stop());
  const depths = async () => Object.fromEntries((await broker.work.depths()).map((one) => [one.channel, one.depth]));
  for (const n of [1, 2]) await broker.publish("jobs", { n });
  await t.waitFor(async () => assert.deepEqual(await depths(), { jobs: 0, "jobs.dead": 2 }), { timeout: 15_000 });
  await broker.publish("jobs", { n: 3 });
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(await depths(), { jobs: 1, "jobs.dead": 2 });
});

test("a file that a newer version wrote is refused, naming it", async (t) => {
  const file = newFile(t);
  const db = new DatabaseSync(file);
  db.exec("PRAGMA user_version=99");
  db.close();
  await assert.rejects(workingBroker(new SqliteWorkAdapter({ file })), {
    message: `${file}: work channel of version 99, written by a newer program; this one knows version 2`,
  });
});
