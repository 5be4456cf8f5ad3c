import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { StateFile } from "../../../../lib/migrate/state-file.ts";

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-state-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

test("what was begun, noted and completed is known to the next run, which is of the same migration", (t) => {
  const folder = folderOf(t);
  const first = new StateFile(folder);
  assert.equal(first.begun("facts", "Kafka at a"), false);
  first.begin("facts", "Kafka at a");
  first.notesOf("facts").write({ "telemetry.received": [0, 3] });
  const second = new StateFile(folder);
  assert.equal(second.migrationId, first.migrationId);
  assert.equal(second.begun("facts", "Kafka at a"), true);
  assert.deepEqual(second.notesOf("facts").read(), { "telemetry.received": [0, 3] });
  assert.equal(second.completedAt("facts"), undefined);
  second.complete("facts");
  assert.match(String(new StateFile(folder).completedAt("facts")), /^\d{4}-/);
});

test("a part that was begun to one place is not moved to another", (t) => {
  const state = new StateFile(folderOf(t));
  state.begin("work", "RabbitMQ at a");
  assert.throws(
    () => state.begun("work", "RabbitMQ at b"),
    /^MigrationError: work: begun to be moved to RabbitMQ at a, not to RabbitMQ at b; without \S+migration.json it begins anew$/,
  );
});

test("a file that is something else is refused by the field that is wrong", (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "migration.json"), '{"format":2}');
  assert.throws(() => new StateFile(folder), /migration\.json: format: /);
  writeFileSync(join(folder, "migration.json"), "{");
  assert.throws(() => new StateFile(folder), /migration\.json is not JSON/);
});
