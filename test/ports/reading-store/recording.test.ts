import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { microsOf } from "../../../lib/instant.ts";
import type { MetricValues, TelemetryReceived } from "../../../schemas/telemetry.ts";
import { SqliteReadingStore } from "../../../services/telemetry/reading-store/sqlite.ts";
import { unless } from "../../support/requirements.ts";
import { everyReading } from "./suite/subject.ts";

const skip = unless("recordings");
const recording = (name: string) => readFileSync(new URL(`../../../../shared/data/${name}`, import.meta.url));

const METRICS = ["co", "humidity", "lpg", "smoke", "temp"];
const HOUR = 3_600_000_000;

interface Numbers {
  count: number;
  min: number;
  max: number;
  mean: number;
  sum?: number;
}
interface Truth {
  per_device: Record<string, { rows: number; metrics: Record<string, Numbers> }>;
  windows: { device_id: string; start: string; width: string; rows: number; metrics: Record<string, Numbers> }[];
}

/** A row with the key that an edge would give it: equal rows have equal keys. */
function messageOf(row: string): TelemetryReceived {
  const [deviceId = "", , instant = "", co, humidity, light, lpg, motion, smoke, temp] = row.split(",");
  const numbers = Object.entries({ co, humidity, lpg, smoke, temp }).map(([name, text]) => [name, Number(text)]);
  const values = { ...Object.fromEntries(numbers), light: light === "true", motion: motion === "true" } as MetricValues;
  const seq = Number(createHash("sha256").update(row).digest().readBigUInt64BE() >> 11n);
  const ts = microsOf(instant);
  return { tenantId: "default", deviceId, messageId: String(seq), receivedAt: ts, readings: [{ ts, seq, values }] };
}

describe("a day of three real devices (50,270 messages, one of them redelivered)", { skip }, () => {
  const folder = skip ? "" : mkdtempSync(join(tmpdir(), "reading-store-recording-"));
  let store: SqliteReadingStore;
  let truth: Truth;
  let messages: TelemetryReceived[];

  before(() => {
    truth = JSON.parse(recording("mqtt_env_3dev.truth.json").toString()) as Truth;
    const rows = gunzipSync(recording("mqtt_env_3dev.csv.gz")).toString().trim().split("\n").slice(1);
    withoutRedelivery(truth, rows);
    messages = rows.map(messageOf);
    store = new SqliteReadingStore({ file: join(folder, "readings.db"), synchronous: "NORMAL" });
  });
  test.after(async () => {
    await store?.close();
    if (folder) rmSync(folder, { recursive: true });
  });

  test("each message is stored once", async () => {
    const total = { stored: 0, duplicates: 0 };
    for (let first = 0; first < messages.length; first += 500) {
      const { stored, duplicates } = await store.write(messages.slice(first, first + 500));
      total.stored += stored;
      total.duplicates += duplicates;
    }
    assert.deepEqual(total, { stored: 50_269, duplicates: 1 });
  });

  test("count, min, max, mean and sum of each device and metric are those of the recording", async () => {
    for (const [deviceId, device] of Object.entries(truth.per_device)) {
      const items = await store.aggregate({ ...query(deviceId), interval: { micros: 36_525 * 24 * HOUR } });
      assert.equal(items.length, 1);
      for (const name of METRICS)
        near(items[0]?.metrics[name] ?? {}, device.metrics[name] as Numbers, `${deviceId} ${name}`);
      assert.equal((await everyReading(store, { ...query(deviceId) })).length, device.rows);
    }
  });

  test("count, min, max and mean of an hour are those of the recording, for each hour that it tells", async () => {
    assert.equal(truth.windows.length, 20);
    for (const { device_id: deviceId, start, width, metrics } of truth.windows) {
      assert.equal(width, "1h");
      const items = await store.aggregate({ ...query(deviceId), interval: { micros: HOUR } });
      const item = items.find((one) => one.start === microsOf(start));
      for (const name of METRICS)
        near(item?.metrics[name] ?? {}, metrics[name] as Numbers, `${deviceId} ${start} ${name}`);
    }
  });

  test("each hour of each device is what its rows add up to, the redelivered one once", async () => {
    const once = new Map(messages.map((message) => [message.messageId, message]));
    let compared = 0;
    for (const deviceId of Object.keys(truth.per_device)) {
      const readings = [...once.values()].filter((message) => message.deviceId === deviceId).flatMap((m) => m.readings);
      const hours = Map.groupBy(readings, ({ ts }) => ts - (ts % HOUR));
      const items = await store.aggregate({ ...query(deviceId), interval: { micros: HOUR } });
      assert.deepEqual(
        items.map(({ start }) => start),
        [...hours.keys()],
      );
      for (const { start, metrics } of items)
        for (const name of METRICS) {
          const values = hours.get(start)?.map((reading) => Number(reading.values[name])) ?? [];
          const sum = values.reduce((total, value) => total + value, 0);
          const [min, max] = [Math.min(...values), Math.max(...values)];
          near(
            metrics[name] ?? {},
            { count: values.length, min, max, mean: sum / values.length, sum },
            `${start} ${name}`,
          );
          compared++;
        }
    }
    assert.equal(compared, 3 * 25 * METRICS.length);
  });

  test("booleans come back as they were sent", async () => {
    const { deviceId } = messages[0] as TelemetryReceived;
    const stored = await everyReading(store, { ...query(deviceId), metrics: ["light", "motion"] });
    const sent = new Map(
      messages.filter((m) => m.deviceId === deviceId).map(({ readings: [r] }) => [r?.ts, r?.values]),
    );
    for (const { ts, values } of stored) {
      const { light, motion } = sent.get(ts) ?? {};
      assert.deepEqual(values, { light, motion });
    }
  });
});

const query = (deviceId: string) => ({
  tenantId: "default",
  deviceId,
  order: "asc" as const,
  limit: 1000,
  functions: ["avg", "min", "max", "sum", "count"] as const,
});

/** The truth counts every row; here is what it says of the row that is there twice, counted once. */
function withoutRedelivery(truth: Truth, rows: string[]): void {
  const seen = new Set<string>();
  const again = rows.filter((row) => seen.size === seen.add(row).size);
  assert.equal(again.length, 1);
  const { deviceId, readings } = messageOf(again[0] as string);
  const { ts = 0, values = {} } = readings[0] ?? {};
  const device = truth.per_device[deviceId];
  assert.ok(device);
  // No window of the truth holds it, or it would have to be mended likewise.
  const start = ts - (ts % HOUR);
  assert.ok(!truth.windows.some((window) => window.device_id === deviceId && microsOf(window.start) === start));
  device.rows--;
  for (const name of METRICS) {
    // min and max stay, because the value is there still.
    const numbers = device.metrics[name] as Numbers & { sum: number };
    numbers.sum -= Number(values[name]);
    numbers.count--;
    numbers.mean = numbers.sum / numbers.count;
  }
}

function near(actual: Record<string, unknown>, expected: Numbers, what: string): void {
  assert.equal(actual["count"], expected.count, what);
  const { avg: mean, min, max, sum } = actual;
  for (const [key, value] of Object.entries({ mean, min, max, sum })) {
    const wanted = expected[key as keyof Numbers];
    if (wanted !== undefined)
      assert.ok(Math.abs(Number(value) - wanted) <= 1e-6, `${what} ${key}: ${value} is not ${wanted}`);
  }
}
