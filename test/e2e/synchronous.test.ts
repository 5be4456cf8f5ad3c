import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startPlatform } from "../support/platform.ts";

const FILES = ["documents.db", "facts.db", "latest.db", "readings.db", "sessions.db", "work.db"];
/** What SQLite calls them (PRAGMA synchronous). */
const LEVELS = { NORMAL: 1, FULL: 2 };

for (const [synchronous, level] of Object.entries(LEVELS))
  test(`SQLITE_SYNCHRONOUS=${synchronous} holds for every file that is written`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ganglion-synchronous-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "levels.json");
    const support = new URL("../support/synchronous.ts", import.meta.url).href;
    const platform = await startPlatform({
      nodeOptions: [`--import=${support}`],
      env: { SQLITE_SYNCHRONOUS: synchronous, SYNCHRONOUS_FILE: file },
    });
    t.after(() => platform.stop());
    for (const pid of platform.pids) process.kill(pid, "SIGUSR2");
    await t.waitFor(
      () => {
        const found = platform.pids.flatMap(
          (pid) => JSON.parse(readFileSync(`${file}.${pid}`, "utf8")) as [file: string, level: number][],
        );
        assert.deepEqual([...new Set(found.map(([name]) => name))].sort(), FILES);
        for (const [name, its] of found) assert.equal(its, level, name);
      },
      { timeout: 10_000 },
    );
  });
