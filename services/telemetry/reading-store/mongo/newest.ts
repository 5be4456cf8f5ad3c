import type { DeviceKey, NewestValue } from "../reading-store.ts";
import { type Devices, deviceMetrics } from "./device-metrics.ts";
import type { Readings } from "./key.ts";
import { readPage } from "./range.ts";

/** Most devices send all they have with the last readings. */
const STEP = 64;

/** The newest value of each metric: one walk back in time, in pages of those that have a metric which is still missing. */
export async function newest(
  readings: Readings,
  devices: Devices,
  { tenantId, deviceId }: DeviceKey,
): Promise<Map<string, NewestValue>> {
  // Without what a caller's key may hold beside it.
  const key = { tenantId, deviceId };
  const found = new Map<string, NewestValue>();
  let missing = (await deviceMetrics(devices, key)) ?? [];
  for (let after: { ts: number; seq: number } | undefined; missing.length > 0; ) {
    const names = missing.map(({ name }) => name);
    const page = await readPage(readings, missing, { ...key, metrics: names, order: "desc", limit: STEP, after });
    for (const { ts, seq, values } of page)
      for (const name of Object.keys(values)) {
        const value = values[name];
        if (value !== undefined && !found.has(name)) found.set(name, { ts, seq, value });
      }
    const last = page.at(-1);
    // A heavy page ends earlier: only an empty one is the end.
    if (!last) break;
    after = { ts: last.ts, seq: last.seq };
    missing = missing.filter(({ name }) => !found.has(name));
  }
  return found;
}
