import { EngineUnavailableError } from "../../../lib/channels/errors.ts";
import { mongoError } from "../../../lib/mongo/mongo-error.ts";
import type { MongoShare } from "../../../lib/mongo/shared-client.ts";
import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import { type AggregateOptions, aggregate } from "./mongo/aggregate.ts";
import { type DeleteOptions, deleteRange } from "./mongo/delete.ts";
import { type DeviceDocument, type Devices, deviceMetrics } from "./mongo/device-metrics.ts";
import { DeviceSlots } from "./mongo/devices.ts";
import { everyReading } from "./mongo/every-reading.ts";
import { deviceId, type ReadingDocument, type Readings, within } from "./mongo/key.ts";
import { type NameDocument, Names, type NamesOptions } from "./mongo/names.ts";
import { newest } from "./mongo/newest.ts";
import { range } from "./mongo/range.ts";
import { writeBatch } from "./mongo/writer.ts";
import type {
  AggregateQuery,
  DeviceKey,
  DeviceRange,
  DeviceWithMetrics,
  IntervalAggregate,
  NewestValue,
  RangeQuery,
  ReadingStore,
  StoredReading,
  WriteResult,
} from "./reading-store.ts";
import type { KeptName } from "./sqlite/names.ts";

export interface MongoReadingStoreOptions extends AggregateOptions, DeleteOptions, NamesOptions {
  /** Metrics that one device may have. @default 1000 */
  metricsPerDeviceMax?: number;
  /** Devices whose slots are held in memory. @default 50000 */
  cachedDevicesMax?: number;
}

/**
 * Reading store in ordinary collections: `readings`, whose `_id` is the reading's key, `reading-devices` and
 * `reading-names`. No time-series collection, because that has no unique key; no index but that of `_id`, along which
 * every query goes, and one by which names expire.
 */
export class MongoReadingStore implements ReadingStore {
  readonly #options: MongoReadingStoreOptions;
  readonly #share: MongoShare;
  readonly #readings: Readings;
  readonly #devices: Devices;
  readonly #slots: DeviceSlots;
  readonly #names: Names;
  #closed = false;

  /** The store releases the share when it is closed. */
  constructor(share: MongoShare, options: MongoReadingStoreOptions = {}) {
    const { metricsPerDeviceMax = 1000, cachedDevicesMax = 50_000 } = options;
    this.#options = options;
    this.#share = share;
    this.#readings = share.db.collection<ReadingDocument>("readings");
    this.#devices = share.db.collection<DeviceDocument>("reading-devices");
    this.#slots = new DeviceSlots(this.#devices, { metricsPerDeviceMax, cachedDevicesMax });
    this.#names = new Names(share.db.collection<NameDocument>("reading-names"), options);
  }

  /** Makes the indexes that there are beside those of `_id`. */
  async init(): Promise<void> {
    await this.#answer(() => this.#names.init());
  }

  /** Where the server goes away, a part of the batch may be stored; the same call stores the rest. */
  write(batch: readonly TelemetryReceived[]): Promise<WriteResult> {
    return this.#answer(() =>
      writeBatch({ readings: this.#readings, devices: this.#slots, names: this.#names }, batch),
    );
  }

  /** Takes devices over from another engine, with their metrics in their order; those that are there stay as they are. */
  takeOverDevices(devices: readonly DeviceWithMetrics[]): Promise<void> {
    return this.#answer(async () => {
      if (devices.length === 0) return;
      await this.#devices.bulkWrite(
        devices.map((device) => ({
          updateOne: {
            filter: { _id: deviceId(device) },
            update: { $setOnInsert: { n: device.metrics.length, metrics: device.metrics } },
            upsert: true,
          },
        })),
        { ordered: false },
      );
    });
  }

  takeOverNames(names: readonly KeptName[]): Promise<void> {
    return this.#answer(() => this.#names.takeOver(names));
  }

  /** Everything that is stored, each in no order. Errors are the driver's. */
  readonly every = {
    readings: () => everyReading(this.#readings, this.#devices),
    names: () => this.#names.all(),
    devices: (): AsyncIterable<DeviceWithMetrics> =>
      this.#devices.find({}).map(({ _id, metrics }) => ({ tenantId: _id.t, deviceId: _id.d, metrics })),
  };

  range(query: RangeQuery): Promise<StoredReading[]> {
    return this.#answer(() => range(this.#readings, this.#devices, query));
  }

  aggregate(query: AggregateQuery): Promise<IntervalAggregate[]> {
    return this.#answer(() =>
      aggregate(this.#readings, this.#devices, query, { maxTimeMs: this.#share.timeoutMs, ...this.#options }),
    );
  }

  has(device: DeviceKey): Promise<boolean> {
    return this.#answer(
      async () => (await this.#readings.findOne(within(device), { projection: { _id: 1 } })) !== null,
    );
  }

  metrics(device: DeviceKey): Promise<string[]> {
    return this.#answer(async () => (await deviceMetrics(this.#devices, device))?.map(({ name }) => name) ?? []);
  }

  newest(device: DeviceKey): Promise<Map<string, NewestValue>> {
    return this.#answer(() => newest(this.#readings, this.#devices, device));
  }

  delete(range: DeviceRange): Promise<number> {
    return this.#answer(() => deleteRange(this.#readings, range, this.#options));
  }

  devices({ after, limit }: { after?: DeviceKey | undefined; limit: number }): Promise<DeviceKey[]> {
    return this.#answer(async () => {
      const found = await this.#devices
        .find(after ? { _id: { $gt: deviceId(after) } } : {}, { projection: { _id: 1 } })
        .sort({ _id: 1 })
        .limit(limit)
        .toArray();
      return found.map(({ _id }) => ({ tenantId: _id.t, deviceId: _id.d }));
    });
  }

  get trouble(): string | undefined {
    return this.#closed ? undefined : this.#share.trouble;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#share.release();
  }

  /** Errors of the engine in terms of the port. */
  async #answer<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new EngineUnavailableError("The reading store is closed.");
    try {
      return await work();
    } catch (error) {
      throw mongoError(error, "reading store");
    }
  }
}
