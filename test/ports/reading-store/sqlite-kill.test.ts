import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { DEVICE } from "./suite/subject.ts";
import { BATCH } from "./writing-child.ts";

const child = fileURLToPath(new URL("./writing-child.ts", import.meta.url));

for (const batches of [1, 40, 200]) {
  test(`a writer killed after ${batches} batches leaves every acknowledged one, and no half one`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "reading-store-kill-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "readings.db");
    const writer = spawn(process.execPath, [...process.execArgv, child, file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => writer.kill("SIGKILL"));
    let acknowledged = 0;
    for await (const line of createInterface({ input: writer.stdout })) {
      acknowledged = Number(line) + 1;
      if (acknowledged === batches) writer.kill("SIGKILL");
    }
    if (writer.exitCode === null && writer.signalCode === null) await once(writer, "exit");
    assert.equal(writer.signalCode, "SIGKILL");

    const store = new SqliteReadingStore({ file });
    t.after(() => store.close());
    const found = await store.range({ ...DEVICE, order: "asc", limit: 1_000_000 });
    assert.ok(found.length >= acknowledged * BATCH, `${found.length} readings of ${acknowledged} acknowledged batches`);
    assert.equal(found.length % BATCH, 0);
    found.forEach(({ ts, values }, index) => {
      const batch = Math.floor(index / BATCH);
      assert.deepEqual([ts, values], [index, { [`m${batch % 30}`]: batch }]);
    });
  });
}
