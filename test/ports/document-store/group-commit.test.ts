import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import mongodb from "mongodb";
import { StoreFile } from "../../../lib/embedded-mongo/store-file.ts";

const folder = await mkdtemp(join(tmpdir(), "document-store-group-"));
after(() => rm(folder, { recursive: true }));

let files = 0;
function openFile() {
  const path = join(folder, `${++files}.sqlite`);
  const open = () => new StoreFile(path, { synchronous: "NORMAL", busyTimeoutMs: 100, statementsMax: 100 });
  const file = open();
  file.write(() => file.exec("CREATE TABLE t (n INTEGER NOT NULL)"));
  const put = (n: number | null) => () => {
    file.statement("INSERT INTO t VALUES (?)").run(n);
    return n;
  };
  const numbers = (of = file) =>
    of.read(() =>
      of
        .statement("SELECT n FROM t ORDER BY n")
        .all()
        .map(({ n }) => n),
    );
  return { file, open, put, numbers };
}

test("of the writes of one turn each has its own result; one that fails undoes itself alone", async () => {
  const { file, put, numbers } = openFile();
  const half = () => {
    put(20)();
    throw new Error("half done");
  };
  const server = () => {
    put(30)();
    throw new mongodb.MongoServerError({ message: "kept until here" });
  };
  const results = await Promise.allSettled(
    [put(1), half, put(2), server, put(null), put(3)].map((w) => file.commit(w)),
  );
  assert.deepEqual(
    results.map((result) => (result.status === "fulfilled" ? result.value : (result.reason as Error).message)),
    [1, "half done", 2, "kept until here", "NOT NULL constraint failed: t.n", 3],
  );
  assert.deepEqual(numbers(), [1, 2, 3, 30]);
  file.close();
});

test("a read sees what was written before it in the same turn, and what is closed is written", async () => {
  const { file, open, put, numbers } = openFile();
  const first = file.commit(put(1));
  assert.deepEqual(numbers(), [1]);
  assert.equal(await first, 1);
  const last = file.commit(put(2));
  file.close();
  assert.equal(await last, 2);
  const again = open();
  assert.deepEqual(numbers(again), [1, 2]);
  again.close();
});

test("where the group cannot be committed nothing of it is there, and every write is told", async () => {
  const { file, open, put, numbers } = openFile();
  const other = open();
  other.exec("BEGIN IMMEDIATE");
  const refused = await Promise.allSettled([file.commit(put(1)), file.commit(put(2))]);
  assert.deepEqual(
    refused.map((result) => result.status === "rejected" && (result.reason as { code?: number }).code),
    [24, 24],
  );
  other.exec("ROLLBACK");
  assert.equal(await file.commit(put(3)), 3);
  assert.deepEqual(numbers(), [3]);
  for (const one of [file, other]) one.close();
});

test("nothing is acknowledged before its commit", async () => {
  const { file, open, put, numbers } = openFile();
  const other = open();
  const seen: unknown[] = [];
  await Promise.all([1, 2, 3].map((n) => file.commit(put(n)).then(() => seen.push(numbers(other)))));
  assert.deepEqual(seen, [
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ]);
  for (const one of [file, other]) one.close();
});
