import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { MetricValue, TelemetryReading, TelemetryReceived } from "../../../../schemas/telemetry.ts";
import { ReadingRefusedError } from "../../errors.ts";
import type { RefusedReading, WriteResult } from "../reading-store.ts";
import { type Device, Devices } from "./devices.ts";
import { Names, type NamesOptions } from "./names.ts";
import { COLUMNS, columnValue, moreMember } from "./values.ts";

/** Place of the first value behind dev, ts, seq. */
const FIRST = 3;
const MORE = FIRST + COLUMNS.length;

/** The insertion for devices with so many metrics, and the one array it is bound from. */
interface Shape {
  insert: StatementSync;
  bound: SQLInputValue[];
}

export interface WriterOptions extends NamesOptions {
  /** Metrics that one device may have. @default 1000 */
  metricsPerDeviceMax?: number;
  /** Devices whose number and slots are held in memory. @default 50000 */
  cachedDevicesMax?: number;
}

/** Writes a batch in one transaction, on the calling thread. */
export class Writer {
  readonly #db: DatabaseSync;
  readonly #devices: Devices;
  readonly #names: Names;
  readonly #shapes: readonly Shape[];

  constructor(db: DatabaseSync, options: WriterOptions) {
    const { metricsPerDeviceMax = 1000, cachedDevicesMax = 50_000 } = options;
    this.#db = db;
    this.#names = new Names(db, options);
    this.#devices = new Devices(db, { metricsPerDeviceMax, cachedDevicesMax });
    this.#shapes = Array.from({ length: COLUMNS.length + 2 }, (_, metrics) => shapeFor(db, metrics));
  }

  write(batch: readonly TelemetryReceived[]): WriteResult {
    let stored = 0;
    let readings = 0;
    const refused: RefusedReading[] = [];
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const message of batch) {
        const device = this.#devices.of(message.tenantId, message.deviceId);
        for (const given of message.readings) {
          const reading = given.named ? this.#firstOf(device, given, message.receivedAt) : given;
          this.#devices.beginReading();
          const inserted = this.#insert(device, reading);
          if (typeof inserted === "number") stored += inserted;
          else refused.push({ message, reading, reason: this.#reasonOf(inserted.oneTooMany) });
        }
        readings += message.readings.length;
      }
      this.#names.prune();
      this.#db.exec("COMMIT");
    } catch (error) {
      // After some errors (disk full) SQLite has rolled back by itself.
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#devices.rolledBack();
      throw error;
    }
    this.#devices.committed();
    return { stored, duplicates: readings - stored - refused.length, refused };
  }

  /** A named reading as it came first: its instant is part of its key. */
  #firstOf(device: Device, reading: TelemetryReading, receivedAt: number): TelemetryReading {
    checkKey(device, reading);
    if (!Number.isSafeInteger(receivedAt)) refuse(device, "receivedAt", "must be an integer of microseconds");
    const { seq, ts } = reading;
    return { ...reading, ts: this.#names.firstTs(device.dev, seq, ts, receivedAt) };
  }

  #reasonOf(metric: string): string {
    return `metric ${JSON.stringify(metric)} is one more than the ${this.#devices.metricsMax} that a device may have`;
  }

  /**
   * Hot path: one look-up and one bound parameter per value, nothing allocated. Returns 1, 0 for a duplicate, or the
   * metric that the device may not have beside its others.
   */
  #insert(device: Device, reading: TelemetryReading): number | { oneTooMany: string } {
    checkKey(device, reading);
    const { ts, seq, values } = reading;
    const { slots } = device;
    const metrics = slots.size;
    const { insert, bound } = this.#shapes[Math.min(metrics, COLUMNS.length + 1)] as Shape;
    bound.fill(null, FIRST);
    let more = "";
    for (const name in values) {
      const slot = slots.get(name) ?? this.#devices.slotOf(device, name);
      if (slot === undefined) {
        // Left out whole: what it brought beside is no metric of the device.
        this.#devices.takeBack(device);
        return { oneTooMany: name };
      }
      // The device has a metric more now, and so another shape.
      if (slots.size !== metrics) return this.#insert(device, reading);
      const value = columnValue(values[name]);
      if (value === undefined)
        refuse(device, `metric ${JSON.stringify(name)}`, "must be a finite number, a boolean or a text");
      if (slot < COLUMNS.length) bound[FIRST + slot] = value;
      else more += `${more && ","}${moreMember(slot, values[name] as MetricValue)}`;
    }
    if (more) bound[MORE] = `{${more}}`;
    bound[0] = device.dev;
    bound[1] = ts;
    bound[2] = seq;
    return Number(insert.run(...bound).changes);
  }
}

/** Columns that a device does not use are not bound; NULL is what they hold then. */
function shapeFor(db: DatabaseSync, metrics: number): Shape {
  const columns = ["dev", "ts", "seq", ...COLUMNS.slice(0, metrics), ...(metrics > COLUMNS.length ? ["more"] : [])];
  const marks = columns.map(() => "?").join(", ");
  const insert = db.prepare(`INSERT INTO reading(${columns.join(", ")}) VALUES(${marks}) ON CONFLICT DO NOTHING`);
  return { insert, bound: columns.map(() => null) };
}

function checkKey(device: Device, { ts, seq }: TelemetryReading): void {
  if (!Number.isSafeInteger(ts)) refuse(device, "ts", "must be an integer of microseconds");
  if (!Number.isSafeInteger(seq)) refuse(device, "seq", "must be an integer");
}

function refuse(device: Device, field: string, reason: string): never {
  throw new ReadingRefusedError(device.tenantId, device.deviceId, field, reason);
}
