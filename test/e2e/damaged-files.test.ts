import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { failingStart } from "../support/failing-start.ts";
import { startPlatform } from "../support/platform.ts";

const FILES = ["documents.db", "facts.db", "latest.db", "readings.db", "sessions.db", "work.db"];
const HEADER_BYTES = 100;

const folder = mkdtempSync(join(tmpdir(), "ganglion-damaged-"));
const whole = join(folder, "whole");
before(async () => {
  const platform = await startPlatform({ dataDir: whole });
  await platform.stop();
});
after(() => rmSync(folder, { recursive: true }));

const garbage = (bytes: number) => Buffer.alloc(bytes, "garbage ");
const damages: Record<string, (bytes: Buffer) => Buffer> = {
  "is no database": (bytes) => garbage(bytes.length),
  "has lost all but its header": (bytes) => bytes.subarray(0, HEADER_BYTES),
  "has garbage behind its header": (bytes) =>
    Buffer.concat([bytes.subarray(0, HEADER_BYTES), garbage(bytes.length - HEADER_BYTES)]),
};

for (const [damage, damaged] of Object.entries(damages))
  for (const file of FILES)
    test(`${file}, where it ${damage}, is told in one line, exit code 1, and stays as it is`, async (t) => {
      const dataDir = join(folder, `${file} ${damage}`);
      t.after(() => rmSync(dataDir, { recursive: true }));
      cpSync(whole, dataDir, { recursive: true });
      const path = join(dataDir, file);
      const bytes = damaged(readFileSync(path));
      writeFileSync(path, bytes);
      const { code, lines } = await failingStart({ DATA_DIR: dataDir });
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.ok(lines[0]?.includes(`${path}: `), lines[0]);
      assert.match(lines[0] as string, /file is not a database|database disk image is malformed/);
      assert.equal(code, 1);
      assert.ok(readFileSync(path).equals(bytes));
    });
