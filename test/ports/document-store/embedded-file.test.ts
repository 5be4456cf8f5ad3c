import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import mongoose from "mongoose";
import { openDocumentStore } from "../../../lib/document-store.ts";
import { insert } from "../../../lib/embedded-mongo/commands.ts";
import { connectEmbedded } from "../../../lib/embedded-mongo/driver.ts";
import { parseFilter } from "../../../lib/embedded-mongo/parse-filter.ts";
import { planQuery } from "../../../lib/embedded-mongo/scan.ts";
import { parseSort } from "../../../lib/embedded-mongo/sort.ts";
import { StoreFile } from "../../../lib/embedded-mongo/store-file.ts";

const WRITER = fileURLToPath(new URL("writer.child.ts", import.meta.url));
const folder = await mkdtemp(join(tmpdir(), "document-store-"));
after(() => rm(folder, { recursive: true }));

/** Starts a writer and kills it after some acknowledged writes; returns the acknowledged ids. */
async function writeAndKill(file: string, first: number, acknowledgements: number): Promise<number[]> {
  const child: ChildProcess = spawn(process.execPath, [WRITER, file, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  let text = "";
  assert.ok(child.stdout);
  for await (const chunk of child.stdout.setEncoding("utf8")) {
    text += chunk;
    if (text.split("\n").length > acknowledgements) child.kill("SIGKILL");
  }
  const [, signal] = await exited;
  assert.equal(signal, "SIGKILL");
  // The last piece is an unfinished line, or empty.
  return text.split("\n").slice(0, -1).map(Number);
}

test("every acknowledged write is there after SIGKILL, eight times over", async () => {
  const file = join(folder, "killed.sqlite");
  const acknowledged = new Set<number>();
  for (let round = 0; round < 8; round++) {
    const ids = await writeAndKill(file, round * 1_000_000, 20 + round * 30);
    assert.ok(ids.length >= 20);
    for (const id of ids) acknowledged.add(id);
    const connection = await connectEmbedded(file);
    const collection = connection.db?.collection<{ _id: number; unique: string }>("things");
    assert.ok(collection);
    const stored = await collection.find().toArray();
    const storedIds = new Set(stored.map(({ _id }) => _id));
    assert.deepEqual(
      [...acknowledged].filter((id) => !storedIds.has(id)),
      [],
    );
    // What was not acknowledged may be there, but whole: both documents of an insertMany, or none.
    for (const _id of storedIds) if ((_id % 1_000_000) % 3 === 0) assert.ok(storedIds.has(_id + 1));
    assert.equal(new Set(stored.map(({ unique }) => unique)).size, stored.length);
    await connection.close();
  }
});

test("several processes may write one file, and each sees the others' indexes and arrays", async () => {
  const file = join(folder, "shared.sqlite");
  const first = await connectEmbedded(file);
  const second = await connectEmbedded(file);
  after(() => Promise.all([first.close(), second.close()]));
  const a = first.db?.collection("shared");
  const b = second.db?.collection("shared");
  assert.ok(a && b);
  await a.createIndex({ tag: 1 });
  await a.insertOne({ tag: "x" });
  assert.equal(await b.countDocuments({ tag: "x" }), 1);
  // An array under an index makes its path unfit for SQL; the other connection must know.
  await b.insertOne({ tag: ["x", "y"] });
  assert.equal(await a.countDocuments({ tag: "x" }), 2);
  await b.createIndex({ name: 1 }, { unique: true, sparse: true });
  await a.insertOne({ name: "n" });
  await assert.rejects(b.insertOne({ name: "n" }), { code: 11000 });
  await assert.rejects(a.insertOne({ name: "n" }), { code: 11000 });
  await b.dropIndex("name_1");
  await a.insertOne({ name: "n" });
  assert.equal((await a.indexes()).length, 2);
  await b.drop();
  assert.equal(await a.countDocuments(), 0);
  await a.insertOne({ tag: "again" });
  assert.equal(await b.countDocuments({ tag: "again" }), 1);
});

test("four processes that write at once lose nothing and break no unique index", async () => {
  const file = join(folder, "crowd.sqlite");
  const ids = await Promise.all([0, 1, 2, 3].map((writer) => writeAndKill(file, writer * 1_000_000, 60)));
  const connection = await connectEmbedded(file);
  const stored = new Set(await connection.db?.collection("things").distinct("_id"));
  assert.deepEqual(
    ids.flat().filter((id) => !stored.has(id as never)),
    [],
  );
  const indexes = await connection.db?.collection("things").indexes();
  assert.deepEqual(
    indexes?.map(({ name }) => name),
    ["_id_", "unique_1"],
  );
  await connection.close();
});

test("a write that another process blocks for too long is error 24, and nothing is written", async () => {
  const file = join(folder, "busy.sqlite");
  const connection = await connectEmbedded(file, { busyTimeoutMs: 50 });
  const collection = connection.db?.collection("things");
  await collection?.insertOne({ a: 1 });
  const other = new DatabaseSync(file);
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(async () => collection?.insertOne({ a: 2 }), { code: 24, codeName: "LockTimeout" });
  assert.equal(await collection?.countDocuments(), 1);
  other.exec("ROLLBACK");
  other.close();
  await collection?.insertOne({ a: 2 });
  assert.equal(await collection?.countDocuments(), 2);
  await connection.close();
});

test("a full disk is error 14031: nothing of that write is there, and writing goes on when there is room", (t) => {
  const file = new StoreFile(join(folder, "full.sqlite"), {
    synchronous: "FULL",
    busyTimeoutMs: 50,
    statementsMax: 10,
  });
  t.after(() => file.close());
  const target = { file, namespace: "ganglion.things" };
  const write = (ids: number[]) =>
    file.write(() => {
      for (const _id of ids) insert(target, { _id, pad: "x".repeat(10_000) });
    });
  const stored = () => file.read(() => file.statement("SELECT count(*) AS n FROM d1").get()?.["n"]);
  write([1]);
  file.exec("PRAGMA max_page_count=1");
  assert.throws(() => write([2, 3]), { code: 14031, codeName: "OutOfDiskSpace", name: "MongoServerError" });
  assert.equal(stored(), 1);
  file.exec("PRAGMA max_page_count=10000");
  write([2, 3]);
  assert.equal(stored(), 3);
});

test("a file of a newer format, or of another kind, is refused by name", async () => {
  const newer = join(folder, "newer.sqlite");
  await (await connectEmbedded(newer)).close();
  const raw = new DatabaseSync(newer);
  raw.exec("PRAGMA user_version=2");
  raw.close();
  await assert.rejects(
    connectEmbedded(newer),
    /newer\.sqlite: document store of version 2, written by a newer program; this one knows version 1/,
  );

  const foreign = join(folder, "foreign.sqlite");
  const other = new DatabaseSync(foreign);
  other.exec("CREATE TABLE t (a)");
  other.close();
  await assert.rejects(connectEmbedded(foreign), /foreign\.sqlite is a SQLite file, but not a document store/);

  const text = join(folder, "text.sqlite");
  await writeFile(text, "this is no database, and long enough to have a header of its own".repeat(10));
  await assert.rejects(connectEmbedded(text), /not a database/);
});

test("a closed store refuses to work instead of hanging", async () => {
  const connection = await connectEmbedded(":memory:");
  const collection = connection.db?.collection("things");
  await connection.close();
  await assert.rejects(async () => collection?.insertOne({ a: 1 }), { name: "MongoNotConnectedError" });
});

test("the store stands beside the global mongoose and another store", async () => {
  const [one, two] = await Promise.all(
    ["one", "two"].map((name) => openDocumentStore({ file: join(folder, `${name}.sqlite`), synchronous: "NORMAL" })),
  );
  assert.ok(one && two);
  const schema = new mongoose.Schema({ a: Number });
  await one.model("Thing", schema).create({ a: 1 });
  assert.equal(await two.model("Thing", schema).countDocuments(), 0);
  assert.equal(mongoose.connection.readyState, mongoose.ConnectionStates.disconnected);
  assert.ok(!(mongoose.connection instanceof one.constructor));
  await one.close();
  await two.close();
});

test("documents and indexes are there after the file is opened again", async () => {
  const file = join(folder, "again.sqlite");
  const before = await connectEmbedded(file);
  const partialFilterExpression = { at: { $gt: new Date(0) } };
  await before.db?.collection("things").createIndex({ "a.b": -1 }, { unique: true, partialFilterExpression });
  await before.db?.collection("things").insertOne({ a: { b: 1 }, at: new Date(1) });
  const listed = await before.db?.collection("things").indexes();
  await before.close();
  const again = await connectEmbedded(file);
  const collection = again.db?.collection("things");
  assert.deepEqual(await collection?.indexes(), listed);
  await assert.rejects(async () => collection?.insertOne({ a: { b: 1 }, at: new Date(2) }), { code: 11000 });
  await collection?.insertOne({ a: { b: 1 }, at: new Date(0) });
  await again.close();
});

/** How SQLite runs a query of the store, by the store's own SQL. */
function planOf(file: StoreFile, filter: object, sort: object): string {
  return file.read(() => {
    const entry = file.catalog.find("ganglion.things");
    assert.ok(entry);
    const { from, order, params } = planQuery(entry, parseFilter(filter), parseSort(sort));
    assert.notEqual(order, undefined, "the store sorts by itself");
    const steps = file.statement(`EXPLAIN QUERY PLAN SELECT r, doc ${from}${order}`).all(...params);
    return steps.map(({ detail }) => String(detail)).join("; ");
  });
}

test("an index serves equality, range and sort", async () => {
  const path = join(folder, "plans.sqlite");
  const connection = await connectEmbedded(path);
  const collection = connection.db?.collection("things");
  await collection?.createIndex({ tenant: 1, at: -1 });
  await collection?.insertMany(Array.from({ length: 200 }, (_, i) => ({ tenant: `t${i % 5}`, at: new Date(i) })));
  await connection.close();

  const file = new StoreFile(path, { synchronous: "NORMAL", busyTimeoutMs: 1000, statementsMax: 10 });
  const tenant = "t1";
  const early = { $lt: new Date(100) };
  const equality = "SEARCH d1 USING INDEX d1_i1 (<expr>=?)";
  const range = "SEARCH d1 USING INDEX d1_i1 (<expr>=? AND <expr>>? AND <expr><?)";
  assert.equal(planOf(file, { tenant, at: early }, { tenant: 1, at: -1 }), range);
  assert.equal(planOf(file, { $and: [{ tenant }, { at: early }] }, { at: 1 }), range);
  assert.equal(planOf(file, { tenant }, { tenant: 1, at: -1 }), equality);
  assert.equal(planOf(file, { tenant }, { tenant: 1 }), equality);
  assert.equal(planOf(file, {}, { tenant: 1, at: -1 }), "SCAN d1 USING INDEX d1_i1");
  assert.equal(planOf(file, { _id: 7 }, { _id: 1 }), "SEARCH d1 USING INDEX sqlite_autoindex_d1_1 (k=?)");
  file.close();
});
