import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DeviceKey } from "../reading-store.ts";
import { RecentMap } from "./recent-map.ts";

/** A device as the writer knows it. Slots are given once and never change, so that a known one is never wrong. */
export interface Device extends DeviceKey {
  dev: number;
  /** Metric name → slot. */
  slots: Map<string, number>;
}

/** Numbers of devices and slots of their metrics, for use inside a write transaction. */
export class Devices {
  readonly metricsMax: number;
  readonly #known: RecentMap<Device>;
  /** What the open transaction taught, and a rollback makes untrue. */
  readonly #learnt = new Set<string>();
  #firstGiven: number | undefined;
  readonly #find: StatementSync;
  readonly #add: StatementSync;
  readonly #metrics: StatementSync;
  readonly #addMetric: StatementSync;
  readonly #dropMetrics: StatementSync;

  constructor(db: DatabaseSync, options: { metricsPerDeviceMax: number; cachedDevicesMax: number }) {
    this.metricsMax = options.metricsPerDeviceMax;
    this.#known = new RecentMap(options.cachedDevicesMax);
    this.#find = db.prepare("SELECT dev FROM device WHERE tenant = ? AND id = ?");
    this.#add = db.prepare("INSERT INTO device(tenant, id) VALUES(?, ?) RETURNING dev");
    this.#metrics = db.prepare("SELECT name, slot FROM metric WHERE dev = ?");
    this.#addMetric = db.prepare("INSERT INTO metric(dev, slot, name) VALUES(?, ?, ?)");
    this.#dropMetrics = db.prepare("DELETE FROM metric WHERE dev = ? AND slot >= ?");
  }

  of(tenantId: string, deviceId: string): Device {
    const key = `${tenantId}/${deviceId}`;
    const known = this.#known.get(key);
    if (known) return known;
    const row = this.#find.get(tenantId, deviceId) ?? this.#add.get(tenantId, deviceId);
    const device = { tenantId, deviceId, dev: Number(row?.["dev"]), slots: new Map<string, number>() };
    this.#readSlots(device);
    this.#learnt.add(key);
    this.#known.set(key, device);
    return device;
  }

  /**
   * The slot of a metric that `device.slots` does not show: another process may have given it one, else it gets the next;
   * none when the device has as many metrics as it may.
   */
  slotOf(device: Device, metric: string): number | undefined {
    // As SQLite keeps it, so that a name with a lone surrogate is found again.
    const name = metric.toWellFormed();
    const known = device.slots.get(name);
    if (known !== undefined) return known;
    const key = `${device.tenantId}/${device.deviceId}`;
    // Read once in a transaction: no other process writes meanwhile.
    if (!this.#learnt.has(key)) {
      this.#learnt.add(key);
      this.#readSlots(device);
      const given = device.slots.get(name);
      if (given !== undefined) return given;
    }
    const slot = device.slots.size;
    if (slot >= this.metricsMax) return undefined;
    this.#addMetric.run(device.dev, slot, name);
    this.#firstGiven ??= slot;
    device.slots.set(name, slot);
    return slot;
  }

  /** What is given from here on may be taken back. */
  beginReading(): void {
    this.#firstGiven = undefined;
  }

  /** Takes back the slots that the reading was given; they are the device's last ones. */
  takeBack(device: Device): void {
    const first = this.#firstGiven;
    if (first === undefined) return;
    this.#dropMetrics.run(device.dev, first);
    for (const [name, slot] of device.slots) if (slot >= first) device.slots.delete(name);
  }

  committed(): void {
    this.#learnt.clear();
  }

  rolledBack(): void {
    for (const key of this.#learnt) this.#known.delete(key);
    this.#learnt.clear();
  }

  #readSlots(device: Device): void {
    for (const { name, slot } of this.#metrics.iterate(device.dev)) device.slots.set(String(name), Number(slot));
  }
}
