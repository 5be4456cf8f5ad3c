import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DiskTrouble, isDiskError } from "../../../lib/disk-trouble.ts";

const sqliteError = (errcode: number) => Object.assign(new Error("sqlite"), { code: "ERR_SQLITE_ERROR", errcode });
const FULL = 13;
const DAMAGED = 11;
const WRITE_ERROR = 778;

function troubleOf(t: TestContext, write: () => unknown) {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-trouble-"));
  const file = join(folder, "x.db");
  const trouble = new DiskTrouble({ engine: "test store", file, write, probeMs: 5 });
  t.after(() => {
    trouble.close();
    rmSync(folder, { recursive: true });
  });
  return { trouble, file };
}

test("trouble begins with a report, names engine, cause and file, and ends by itself when a write succeeds", async (t) => {
  let full = true;
  const { trouble, file } = troubleOf(t, () => {
    if (full) throw sqliteError(FULL);
  });
  assert.equal(trouble.reason, undefined);
  trouble.report(new Error("channel", { cause: sqliteError(FULL) }));
  assert.equal(trouble.reason, `test store: the disk is full (${file})`);
  await sleep(50);
  assert.equal(trouble.reason, `test store: the disk is full (${file})`);
  full = false;
  await t.waitFor(() => assert.equal(trouble.reason, undefined), { timeout: 5000 });
  assert.ok(!existsSync(`${file}.probe`));
});

test("the data's errors are no trouble of the disk, extended codes count as their primary one", () => {
  for (const error of [new Error("x"), sqliteError(19), sqliteError(5), undefined])
    assert.equal(isDiskError(error), false);
  for (const error of [sqliteError(FULL), sqliteError(WRITE_ERROR), { cause: sqliteError(8) }])
    assert.equal(isDiskError(error), true);
});

test("a damaged file stays in trouble although it can be written", async (t) => {
  const { trouble } = troubleOf(t, () => {});
  trouble.report(sqliteError(DAMAGED));
  await sleep(50);
  assert.match(String(trouble.reason), /damaged/);
});

test("what is closed is in no trouble any more, and tries nothing", async (t) => {
  let tries = 0;
  const { trouble } = troubleOf(t, () => {
    tries++;
    throw sqliteError(FULL);
  });
  trouble.report(sqliteError(FULL));
  trouble.close();
  await sleep(50);
  assert.deepEqual([trouble.reason, tries], [undefined, 0]);
});
