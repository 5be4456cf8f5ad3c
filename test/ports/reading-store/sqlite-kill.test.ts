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
import { DEVICE, everyReading } from "./suite/subject.ts";
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
    const found = await everyReading(store, { ...DEVICE, order: "asc" });
    assert.ok(found.length >= acknowledged * BATCH, `${found.length} readings of ${acknowledged} acknowledged batches`);
    assert.equal(found.length % BATCH, 0);
    found.forEach(({ ts, values }, index) => {
      const batch = Math.floor(index / BATCH);
      assert.deepEqual([ts, values], [index, { [`m${batch % 30}`]: batch }]);
    });
  });
}

for (const afterMs of [0, 20, 60]) {
  test(`a deletion killed after ${afterMs} ms has deleted the oldest, whole, and goes on when asked again`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "reading-store-kill-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "readings.db");
    const [all, to] = [20_000, 15_000];
    const store = new SqliteReadingStore({ file, synchronous: "NORMAL" });
    t.after(() => store.close());
    const readings = Array.from({ length: all }, (_, ts) => ({ ts, seq: 0, values: { a: ts, b: "text" } }));
    await store.write([{ ...DEVICE, messageId: "", receivedAt: 0, readings }]);

    const script = fileURLToPath(new URL("./deleting-child.ts", import.meta.url));
    const deleting = spawn(process.execPath, [...process.execArgv, script, file, String(to)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(() => deleting.kill("SIGKILL"));
    await once(deleting.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    deleting.kill("SIGKILL");
    if (deleting.exitCode === null && deleting.signalCode === null) await once(deleting, "exit");

    const left = await everyReading(store, { ...DEVICE, order: "asc" });
    const first = left[0]?.ts ?? all;
    assert.ok(first <= to, `${first} is beyond the range`);
    assert.deepEqual(
      left.map(({ ts, values }) => [ts, values]),
      readings.slice(first).map(({ ts, values }) => [ts, values]),
    );
    assert.equal(await store.delete({ ...DEVICE, to }), to - first);
    assert.equal((await everyReading(store, { ...DEVICE, order: "asc" })).length, all - to);
  });
}
