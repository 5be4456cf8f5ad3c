import type { DeviceKey, StoredReading } from "../reading-store.ts";
import { RecentMap } from "../sqlite/recent-map.ts";
import { type Devices, deviceMetrics, type Metric } from "./device-metrics.ts";
import type { Readings } from "./key.ts";
import { valuesOf } from "./range.ts";

const READINGS_AT_ONCE = 1000;
const DEVICES_MAX = 50_000;

/** Every reading of every device, in no order: the collection is read once, from its beginning to its end. */
export async function* everyReading(readings: Readings, devices: Devices): AsyncGenerator<DeviceKey & StoredReading> {
  const known = new RecentMap<Metric[]>(DEVICES_MAX);
  for await (const { _id, v } of readings.find({}).batchSize(READINGS_AT_ONCE)) {
    const device = { tenantId: _id.t, deviceId: _id.d };
    const key = `${_id.t}/${_id.d}`;
    const metrics = known.get(key) ?? (await deviceMetrics(devices, device)) ?? [];
    known.set(key, metrics);
    yield { ...device, ts: _id.ts, seq: _id.seq, values: valuesOf(v ?? {}, metrics) };
  }
}
