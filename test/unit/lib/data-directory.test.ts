import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DataDirectoryError, holdDataDirectory } from "../../../lib/data-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "ganglion-"));
after(() => rmSync(folder, { recursive: true }));
const source = fileURLToPath(new URL("../../../lib/data-directory.ts", import.meta.url));

/** Another process that holds the folder until it is killed. */
async function otherHolder(directory: string) {
  const script = `import { holdDataDirectory } from ${JSON.stringify(source)};
    holdDataDirectory(${JSON.stringify(directory)}); gc(); console.log("held"); setInterval(() => {}, 1000);`;
  // With a collection: what the holder does not keep must not be lost.
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  return child;
}

test("a folder in use is refused, naming the folder and the process; a SIGKILL frees it", async () => {
  const directory = join(folder, "used");
  const child = await otherHolder(directory);
  assert.throws(() => holdDataDirectory(directory), {
    name: "DataDirectoryError",
    message: `DATA_DIR ${directory} is in use by process ${child.pid}`,
  });
  child.kill("SIGKILL");
  await once(child, "close");
  holdDataDirectory(directory).release();
});

test("a folder is made where it is missing, for its owner only", () => {
  const directory = join(folder, "new", "deep");
  const hold = holdDataDirectory(directory);
  assert.ok(existsSync(directory));
  assert.equal(statSync(directory).mode & 0o077, 0);
  hold.release();
});

test("a pid file left behind holds nothing", () => {
  const directory = join(folder, "left");
  holdDataDirectory(directory).release();
  writeFileSync(join(directory, "pid"), "1\n");
  holdDataDirectory(directory).release();
});

test("a path that is a file is refused by name", () => {
  const path = join(folder, "file");
  writeFileSync(path, "");
  assert.throws(
    () => holdDataDirectory(path),
    (error: Error) => error instanceof DataDirectoryError && error.message.includes(path),
  );
});
