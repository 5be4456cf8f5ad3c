import type { MetricValue, TelemetryReading, TelemetryReceived } from "../../../../schemas/telemetry.ts";
import { ReadingRefusedError } from "../../errors.ts";
import type { DeviceKey, WriteResult } from "../reading-store.ts";
import { fieldOf } from "./device-metrics.ts";
import { type DeviceSlots, keyOf, type Slots } from "./devices.ts";
import { firstArrivals } from "./first-arrivals.ts";
import { type ReadingDocument, type Readings, readingId } from "./key.ts";
import type { Names } from "./names.ts";

const DUPLICATE_KEY = 11_000;

/**
 * Writes a batch in one command (the driver cuts what is too large for one). The key makes a second write of a reading
 * a no-op; so a batch of which a part was written before the server went away is simply written again.
 */
export async function writeBatch(
  { readings, devices, names }: Collections,
  batch: readonly TelemetryReceived[],
): Promise<WriteResult> {
  for (const message of batch) for (const reading of message.readings) check(message, reading);
  const arrived = await firstArrivals(names, batch);
  const { slots, refused } = await devices.assign(batch, arrived);
  const leftOut = new Set(refused.map(({ reading }) => reading));
  const documents = arrived.flatMap(({ message, reading }) =>
    leftOut.has(reading) ? [] : documentOf(message, reading, slots.get(keyOf(message)) as Slots),
  );
  const stored = documents.length === 0 ? 0 : await insert(readings, documents);
  return { stored, duplicates: documents.length - stored, refused };
}

export interface Collections {
  readings: Readings;
  devices: DeviceSlots;
  names: Names;
}

async function insert(readings: Readings, documents: ReadingDocument[]): Promise<number> {
  try {
    return (await readings.insertMany(documents, { ordered: false })).insertedCount;
  } catch (error) {
    const { writeErrors, result, insertedCount } = error as BulkFailure;
    // Written, but by too few: not yet durable.
    const confirmed = result?.getWriteConcernError?.() === undefined;
    if (confirmed && writeErrors?.length && writeErrors.every(({ code }) => code === DUPLICATE_KEY))
      return insertedCount ?? documents.length - writeErrors.length;
    throw error;
  }
}

interface BulkFailure {
  writeErrors?: { code: number }[];
  insertedCount?: number;
  result?: { getWriteConcernError?(): unknown };
}

function documentOf(message: DeviceKey, { ts, seq, values }: TelemetryReading, slots: Slots): ReadingDocument {
  const v: Record<string, MetricValue> = {};
  for (const name in values) {
    const slot = slots.get(name) ?? (slots.get(name.toWellFormed()) as number);
    const value = values[name] as MetricValue;
    v[fieldOf(slot)] = typeof value === "string" ? value.toWellFormed() : value;
  }
  return { _id: readingId(message, ts, seq), v };
}

/** @throws ReadingRefusedError of what no edge lets through */
function check(device: TelemetryReceived, { ts, seq, values, named }: TelemetryReading): void {
  const refuse = (field: string, reason: string): never => {
    throw new ReadingRefusedError(device.tenantId, device.deviceId, field, reason);
  };
  if (!Number.isSafeInteger(ts)) refuse("ts", "must be an integer of microseconds");
  if (!Number.isSafeInteger(seq)) refuse("seq", "must be an integer");
  if (named && !Number.isSafeInteger(device.receivedAt)) refuse("receivedAt", "must be an integer of microseconds");
  for (const name in values)
    if (!isMetricValue(values[name]))
      refuse(`metric ${JSON.stringify(name)}`, "must be a finite number, a boolean or a text");
}

const isMetricValue = (value: unknown): value is MetricValue =>
  typeof value === "number" ? Number.isFinite(value) : typeof value === "boolean" || typeof value === "string";
