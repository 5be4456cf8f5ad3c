import type { mongo } from "mongoose";
import type { DeviceKey } from "../reading-store.ts";
import { type DeviceId, deviceId } from "./key.ts";

/** What is stored of a device beside its readings. */
export interface DeviceDocument {
  _id: DeviceId;
  /** Number of the metrics: grows with each, so that an addition to another state than the known one fails. */
  n: number;
  /** Names; the place of a metric is its slot, for good. */
  metrics: string[];
}

export type Devices = mongo.Collection<DeviceDocument>;

/** A metric as a reader sees it. */
export interface Metric {
  name: string;
  /** Field of a reading's `v`. */
  field: string;
}

export const fieldOf = (slot: number): string => `m${slot}`;

/**
 * Undefined while nothing of the device is stored.
 *
 * @param names only these metrics, in this order; undefined for all that the device has
 */
export async function deviceMetrics(
  devices: Devices,
  key: DeviceKey,
  names?: readonly string[],
): Promise<Metric[] | undefined> {
  const found = await devices.findOne({ _id: deviceId(key) });
  if (!found) return undefined;
  if (!names) return found.metrics.map((name, slot) => ({ name, field: fieldOf(slot) }));
  const slots = new Map(found.metrics.map((name, slot) => [name, slot]));
  return [...new Set(names.map((name) => name.toWellFormed()))].flatMap((name) => {
    const slot = slots.get(name);
    return slot === undefined ? [] : [{ name, field: fieldOf(slot) }];
  });
}

/** Condition: the reading has a value of one of the metrics, of which there is at least one. */
export const hasAny = (metrics: readonly Metric[]) => ({
  $or: metrics.map(({ field }) => ({ [`v.${field}`]: { $exists: true } })),
});
