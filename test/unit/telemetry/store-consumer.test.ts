import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ServiceBroker } from "moleculer";
import type { TelemetryReceived, TelemetryRejected } from "../../../schemas/telemetry.ts";
import store from "../../../services/telemetry/consumers/store.service.ts";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { DEVICE, message } from "../../ports/reading-store/suite/subject.ts";

const folder = mkdtempSync(join(tmpdir(), "store-consumer-"));
const readingsFile = join(folder, "readings.db");
const broker = new ServiceBroker({ logger: false, validator: false, metrics: { enabled: true, reporter: [] } });
const published: [channel: string, rejected: TelemetryRejected, options: object][] = [];
let unavailable = false;
Object.assign(broker, {
  async publish(...publication: (typeof published)[number]) {
    if (unavailable) throw new Error("the channel is away");
    published.push(publication);
  },
});
const service = broker.createService({
  ...store,
  settings: { readingsFile, synchronous: "NORMAL", metricsPerDeviceMax: 2 },
});
await broker.start();
after(async () => {
  await broker.stop();
  rmSync(folder, { recursive: true });
});

/** The consumer as a channel calls it; the schema's type does not know its part for channels. */
const { facts } = store as unknown as {
  facts: Record<string, { group: string; handler(ctx: { params: TelemetryReceived[] }): Promise<void> }>;
};
const consumer = facts["telemetry.received"];
const take = (...batch: TelemetryReceived[]) => consumer?.handler.call(service, { params: batch });
const counted = (name: string) => {
  const metric = broker.metrics.getMetric(`telemetry.store.${name}`) as unknown as { get(): { value: number } | null };
  return metric.get()?.value ?? 0;
};

test("a batch is stored, a batch that comes again changes nothing, and both are counted", async () => {
  assert.equal(consumer?.group, "store");
  await take(message(1, 1, { a: 1 }), message(2, 2, { a: 2 }));
  await take(message(1, 1, { a: 1 }), message(2, 2, { a: 2 }), message(3, 3, { a: 3 }));
  assert.deepEqual([counted("stored"), counted("duplicates")], [3, 2]);
  const reader = new SqliteReadingStore({ file: readingsFile });
  const found = await reader.range({ ...DEVICE, order: "asc", limit: 10 });
  await reader.close();
  assert.deepEqual(
    found.map(({ values }) => values),
    [{ a: 1 }, { a: 2 }, { a: 3 }],
  );
});

test("a reading with one metric too many is kept as a rejected message, naming it, and the others of its batch are stored", async () => {
  await take(message(4, 4, { a: 1, b: 2, c: 3 }), message(5, 5, { a: 5 }));
  assert.deepEqual([counted("stored"), counted("duplicates"), counted("refused")], [4, 2, 1]);
  assert.equal(published.length, 1);
  const [[channel, rejected, options] = []] = published;
  assert.equal(channel, "telemetry.rejected");
  assert.deepEqual(options, { key: `${DEVICE.tenantId}/${DEVICE.deviceId}` });
  assert.match(rejected?.reason ?? "", /metric "c"/);
  assert.deepEqual(JSON.parse(Buffer.from(rejected?.payload ?? "", "base64").toString()), {
    ts: 0.004,
    values: { a: 1, b: 2, c: 3 },
  });
});

test("where the rejected message cannot be kept, the batch is not done", async () => {
  unavailable = true;
  await assert.rejects(async () => take(message(6, 6, { a: 1, b: 2, c: 3 })), /away/);
});
