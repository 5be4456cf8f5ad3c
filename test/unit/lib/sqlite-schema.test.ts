import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { migrate, type SqliteSchema, SqliteSchemaError, schemaMark } from "../../../lib/sqlite-schema.ts";

const ID = 0x476e6774;
const first = (db: DatabaseSync) => db.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1)");
const second = (db: DatabaseSync) => db.exec("ALTER TABLE t ADD COLUMN b; UPDATE t SET b = a + 1");
const third = (db: DatabaseSync) => db.exec("UPDATE t SET b = b * 10");
const schema = (...steps: SqliteSchema["steps"]): SqliteSchema => ({ kind: "test store", applicationId: ID, steps });
const rows = (db: DatabaseSync) =>
  db
    .prepare("SELECT * FROM t")
    .all()
    .map((row) => ({ ...row }));
const versionOf = (db: DatabaseSync) => schemaMark(db).version;

test("an empty file gets the newest version by all steps, and its application id", () => {
  const db = new DatabaseSync(":memory:");
  migrate(db, "f", schema(first, second, third));
  assert.deepEqual(rows(db), [{ a: 1, b: 20 }]);
  assert.deepEqual(schemaMark(db), { applicationId: ID, version: 3 });
});

test("a file of an older version takes the steps that it lacks, and only those", () => {
  const db = new DatabaseSync(":memory:");
  migrate(db, "f", schema(first));
  migrate(db, "f", schema(first, second, third));
  assert.deepEqual(rows(db), [{ a: 1, b: 20 }]);
  migrate(db, "f", schema(first, second, third));
  assert.deepEqual(rows(db), [{ a: 1, b: 20 }]);
});

test("a step that fails leaves the file at its version, with none of the steps done", () => {
  const db = new DatabaseSync(":memory:");
  migrate(db, "f", schema(first));
  const failing = () => {
    throw new Error("no");
  };
  assert.throws(() => migrate(db, "f.db", schema(first, second, failing)), /^SqliteSchemaError: f\.db: .*: no$/);
  assert.equal(versionOf(db), 1);
  assert.deepEqual(rows(db), [{ a: 1 }]);
});

test("a newer version is refused in one line with file and versions, and the file is left as it was", () => {
  const db = new DatabaseSync(":memory:");
  migrate(db, "f", schema(first, second, third));
  assert.throws(() => migrate(db, "f.db", schema(first)), {
    name: "SqliteSchemaError",
    message: "f.db: test store of version 3, written by a newer program; this one knows version 1",
  });
  assert.equal(versionOf(db), 3);
});

test("a file of another kind is refused, also one without application id", () => {
  for (const id of [0, 0x12345678]) {
    const db = new DatabaseSync(":memory:");
    db.exec(`CREATE TABLE other (a); PRAGMA application_id=${id}; PRAGMA user_version=1`);
    assert.throws(() => migrate(db, "f.db", schema(first, second)), SqliteSchemaError);
    assert.throws(() => migrate(db, "f.db", schema(first, second)), /f\.db is a SQLite file, but not a test store/);
  }
});

test("a version from before there were application ids is taken where the schema says so", () => {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE t (a); INSERT INTO t VALUES (1); PRAGMA user_version=1");
  migrate(db, "f", { ...schema(first, second), unmarkedUntil: 1 });
  assert.deepEqual(rows(db), [{ a: 1, b: 2 }]);
  assert.deepEqual(schemaMark(db), { applicationId: ID, version: 2 });
});

test("of two that make one file at once neither takes the other's for something else", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-schema-"));
  const file = join(folder, "both.db");
  const [own, other] = [new DatabaseSync(file, { timeout: 0 }), new DatabaseSync(file, { timeout: 0 })];
  t.after(() => {
    for (const db of [own, other]) db.close();
    rmSync(folder, { recursive: true });
  });
  const { prepare } = own;
  let others = 0;
  // Between the looks at the file's header and at its tables the other one is there.
  own.prepare = (sql) => {
    if (sql.includes("sqlite_schema") && others++ === 0)
      try {
        migrate(other, file, schema(first));
      } catch (error) {
        assert.match((error as Error).message, /locked/);
      }
    return prepare.call(own, sql);
  };
  migrate(own, file, schema(first));
  assert.ok(others > 0);
  assert.deepEqual(schemaMark(own), { applicationId: ID, version: 1 });
  migrate(other, file, schema(first));
  assert.deepEqual(rows(other), [{ a: 1 }]);
});
