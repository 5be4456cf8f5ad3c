import type { DatabaseSync } from "node:sqlite";
import type { DeviceKey } from "../reading-store.ts";

/** A metric as a reader sees it. */
export interface Metric {
  name: string;
  slot: number;
}

/** Number and metrics of a device; undefined while nothing of it is stored. */
export interface KnownDevice {
  dev: number;
  metrics: Metric[];
}

/** @param names only these metrics, in this order; undefined for all that the device has */
export function deviceMetrics(db: DatabaseSync, key: DeviceKey, names?: readonly string[]): KnownDevice | undefined {
  const row = db.prepare("SELECT dev FROM device WHERE tenant = ? AND id = ?").get(key.tenantId, key.deviceId);
  if (!row) return undefined;
  const dev = Number(row["dev"]);
  const all = db
    .prepare("SELECT name, slot FROM metric WHERE dev = ? ORDER BY slot")
    .all(dev)
    .map((metric) => ({ name: String(metric["name"]), slot: Number(metric["slot"]) }));
  if (!names) return { dev, metrics: all };
  const byName = new Map(all.map((metric) => [metric.name, metric]));
  const asked = new Set(names.map((name) => name.toWellFormed()));
  return { dev, metrics: [...asked].flatMap((name) => byName.get(name) ?? []) };
}
