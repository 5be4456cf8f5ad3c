import { setImmediate as otherWork } from "node:timers/promises";
import type { Model } from "mongoose";
import type { DeviceDocument } from "./device.model.ts";

/** Devices that are read at once: others get their turn in between. */
const CHUNK = 500;

export interface Search {
  tenantId: string;
  type: string | undefined;
  /** Device id that the search begins behind. */
  after: string | undefined;
  matches: (device: DeviceDocument) => boolean;
  limit: number;
  /** Devices looked at at most: a search for what is rare ends with a short page. */
  examinedMax: number;
}

export interface Found {
  devices: DeviceDocument[];
  /** Where to go on; undefined = there are no more. */
  next: string | undefined;
}

/** The next devices by id that match. The list may not be ended where fewer than `limit` are found. */
export async function searchDevices(devices: Model<DeviceDocument>, search: Search): Promise<Found> {
  const { limit, matches, examinedMax } = search;
  const found: DeviceDocument[] = [];
  let examined = 0;
  for await (const chunk of chunksOf(devices, search, Math.max(CHUNK, limit + 1)))
    for (const device of chunk) {
      if (matches(device)) found.push(device);
      if (found.length > limit) return { devices: found.slice(0, limit), next: found[limit - 1]?.deviceId };
      if (++examined >= examinedMax) return { devices: found, next: device.deviceId };
    }
  return { devices: found, next: undefined };
}

/** The tenant's groups by name, with the number of their devices. Reads all its devices. */
export async function countGroups(devices: Model<DeviceDocument>, tenantId: string): Promise<[string, number][]> {
  const counts = new Map<string, number>();
  for await (const chunk of chunksOf(devices, { tenantId, type: undefined, after: undefined }, CHUNK))
    for (const { groups } of chunk)
      for (const group of new Set(groups)) counts.set(group, (counts.get(group) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The tenant's devices by id, in chunks; those that are being deleted are left out. */
async function* chunksOf(
  devices: Model<DeviceDocument>,
  { tenantId, type, after }: Pick<Search, "tenantId" | "type" | "after">,
  size: number,
): AsyncGenerator<DeviceDocument[]> {
  const of = { tenantId, ...(type === undefined ? {} : { type }) };
  for (let behind = after; ; ) {
    const chunk = await devices
      .find({ ...of, ...(behind === undefined ? {} : { deviceId: { $gt: behind } }) })
      .sort({ deviceId: 1 })
      .limit(size)
      .lean<DeviceDocument[]>();
    yield chunk.filter(({ deleting }) => deleting === undefined);
    if (chunk.length < size) return;
    behind = chunk.at(-1)?.deviceId;
    await otherWork();
  }
}
