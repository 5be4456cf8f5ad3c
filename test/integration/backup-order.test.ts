import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { backUp } from "../../lib/backup.ts";
import { backupOrder } from "../../lib/backup-order.ts";
import { restore } from "../../lib/restore.ts";
import deviceRegistry from "../../services/device-registry/device-registry.service.ts";
import telemetryStore from "../../services/telemetry/consumers/store.service.ts";
import telemetry from "../../services/telemetry/telemetry.service.ts";
import { startBroker } from "../support/broker.ts";

const WAIT = { timeout: 10_000, interval: 20 };
const FIRST = 1_700_000_000_000_000;

const MESSAGES = 5;

/**
 * Messages are acknowledged, the backup begins, and only between the copies of its first two files does the consumer
 * store them. Says which of them are readable where the backup was restored.
 */
async function readableAfterRestore(t: TestContext, order: (files: readonly string[]) => string[]) {
  const parent = mkdtempSync(join(tmpdir(), "ganglion-order-"));
  t.after(() => rmSync(parent, { recursive: true }));
  const [folder, dataDir] = [join(parent, "backup"), join(parent, "data")];
  const running = await startBroker([deviceRegistry, telemetry]);
  try {
    await running.call("device-registry.register", { id: "d" });
    for (let n = 1; n <= MESSAGES; n++) {
      const reading = { ts: FIRST + n, seq: n, values: { n } };
      const fact = { tenantId: "default", deviceId: "d", messageId: `m${n}`, receivedAt: FIRST, readings: [reading] };
      await running.broker.publish("telemetry.received", fact, { key: "default/d" });
    }
    let copies = 0;
    const consume = async () => {
      if (copies++ > 0) return;
      running.broker.createService(telemetryStore);
      await t.waitFor(async () => assert.equal((await stored(running)).length, MESSAGES), WAIT);
      await t.waitFor(async () => assert.equal(await running.lag("telemetry.received", "store"), 0), WAIT);
    };
    await backUp({ dataDir: running.folder, folder, order, copied: consume });
    assert.ok(copies > 1);
  } finally {
    await running.stop();
  }
  await restore({ dataDir, folder });
  const restored = await startBroker([deviceRegistry, telemetry, telemetryStore], { DATA_DIR: dataDir });
  try {
    await t.waitFor(async () => assert.equal(await restored.lag("telemetry.received", "store"), 0), WAIT);
    return await stored(restored);
  } finally {
    await restored.stop();
  }
}

const stored = async ({ call }: Awaited<ReturnType<typeof startBroker>>) => {
  const page = await call("telemetry.readings", { deviceId: "d", limit: 100 });
  return page.items.map((item) => ("values" in item ? item.values["n"] : undefined));
};

test("channels are copied before stores: what was acknowledged before the backup is in it, although it is stored between two copies", async (t) => {
  assert.deepEqual(await readableAfterRestore(t, backupOrder), [1, 2, 3, 4, 5]);
});

test("control: stores copied before channels lose what was acknowledged", async (t) => {
  assert.deepEqual(await readableAfterRestore(t, (files) => backupOrder(files).reverse()), []);
});
