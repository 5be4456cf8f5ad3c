import { closeSync, openSync, writeSync } from "node:fs";
import type { MetricValues, TelemetryReading } from "../schemas/telemetry.ts";
import { SqliteReadingStore } from "../services/telemetry/reading-store/sqlite.ts";

/** One a second, long before what a generator sends. */
const FIRST_TS = Date.UTC(2023, 0, 1) * 1000;
const STEP_MICROS = 1_000_000;
/** Rows of one device in one message, and messages in one transaction: devices take turns, as in life. */
const ROWS_PER_MESSAGE = 20;
const MESSAGES_PER_BATCH = 250;

/** Column names of the CSV behind the time. */
export const METRICS = ["temperature", "humidity", "pressure"] as const;

/** The n-th row of a device, the same for all time. */
function rowAt(n: number): TelemetryReading {
  const hour = n / 3600;
  const values: MetricValues = {
    temperature: 20 + 5 * Math.sin(hour / 24) + ((n * 7919) % 1000) / 1000,
    humidity: 50 + 20 * Math.cos(hour / 60) + ((n * 104_729) % 777) / 100,
    pressure: 1013 + ((n * 31) % 4001) / 100,
  };
  return { ts: FIRST_TS + n * STEP_MICROS, seq: (n * 2_654_435_761) % 2 ** 32, values };
}

export interface FillOptions {
  file: string;
  devices: readonly string[];
  rowsPerDevice: number;
  /** Where the rows are written, too: `ts` in microseconds, then the metrics. For one device only. */
  csv?: string | undefined;
}

/** Writes rows through the store's port, past edge and channel. */
export async function fillStore({ file, devices, rowsPerDevice, csv }: FillOptions): Promise<void> {
  const store = new SqliteReadingStore({ file, synchronous: "NORMAL" });
  const output = csv === undefined ? undefined : openSync(csv, "w");
  const message = (deviceId: string, readings: TelemetryReading[]) => ({
    ...{ tenantId: "default", deviceId, messageId: `${readings[0]?.ts}`, receivedAt: FIRST_TS },
    readings,
  });
  let batch: ReturnType<typeof message>[] = [];
  const write = async () => {
    await store.write(batch);
    batch = [];
  };
  for (let n = 0; n < rowsPerDevice; n += ROWS_PER_MESSAGE) {
    const rows = Array.from({ length: Math.min(ROWS_PER_MESSAGE, rowsPerDevice - n) }, (_, i) => rowAt(n + i));
    for (const id of devices) {
      batch.push(message(id, rows));
      if (batch.length === MESSAGES_PER_BATCH) await write();
    }
    if (output !== undefined)
      writeSync(output, rows.map(({ ts, values }) => `${ts},${METRICS.map((m) => values[m]).join(",")}\n`).join(""));
  }
  if (batch.length > 0) await write();
  if (output !== undefined) closeSync(output);
  await store.close();
}
