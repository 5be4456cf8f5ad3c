import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { schemaMark } from "../../lib/sqlite-schema.ts";
import { START_ARGUMENTS, startPlatform } from "../support/platform.ts";
import { checkRecording } from "../support/recording.ts";
import { unless } from "../support/requirements.ts";
import { version1Folder } from "../support/version-1.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-migration-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function markOf(file: string) {
  const db = new DatabaseSync(file);
  try {
    return schemaMark(db);
  } finally {
    db.close();
  }
}

test("files of version 1 with the real recording are migrated at start; every reading is there once, and the channel goes on where it was", {
  skip: unless("recordings"),
}, async (t) => {
  const dataDir = newFolder(t);
  version1Folder(dataDir);
  for (const name of ["facts.db", "readings.db"])
    assert.deepEqual(markOf(join(dataDir, name)), { applicationId: 0, version: 1 });
  const platform = await startPlatform({ dataDir });
  try {
    await checkRecording(platform);
  } finally {
    await platform.stop();
  }
  for (const name of ["facts.db", "readings.db", "documents.db"]) {
    const { applicationId, version } = markOf(join(dataDir, name));
    assert.notEqual(applicationId, 0, name);
    assert.ok(version >= (name === "documents.db" ? 1 : 2), name);
  }
});

test("a data file of a newer program is refused at start in one line with file and versions, exit code 1, and is left alone", async (t) => {
  const dataDir = newFolder(t);
  await (await startPlatform({ dataDir })).stop();
  for (const name of ["facts.db", "work.db", "readings.db", "latest.db", "documents.db", "sessions.db"]) {
    const file = join(dataDir, name);
    const { version } = markOf(file);
    const mark = (to: number) => {
      const db = new DatabaseSync(file);
      db.exec(`PRAGMA user_version=${to}`);
      db.close();
    };
    mark(99);
    const { code, lines } = await failingStart(dataDir);
    assert.equal(code, 1, name);
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.ok(lines[0]?.includes(`${file}: `), lines[0]);
    assert.match(lines[0] as string, new RegExp(`version 99, .*newer.*knows version ${version}$`));
    assert.equal(markOf(file).version, 99);
    mark(version);
  }
});

async function failingStart(dataDir: string) {
  const child = spawn(process.execPath, START_ARGUMENTS, {
    cwd: root,
    env: { ...process.env, HTTP_PORT: "0", MQTT_PORT: "0", MQTT_WS_PORT: "0", DATA_DIR: dataDir, LOG_LEVEL: "fatal" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const cut = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(cut);
  return { code, lines: stderr.split("\n").filter(Boolean) };
}
