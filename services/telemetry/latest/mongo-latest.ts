import type { mongo } from "mongoose";
import { EngineUnavailableError } from "../../../lib/channels/errors.ts";
import { mongoError } from "../../../lib/mongo/mongo-error.ts";
import type { MongoShare } from "../../../lib/mongo/shared-client.ts";
import type { MetricValue, TelemetryReceived } from "../../../schemas/telemetry.ts";
import { firstArrivals } from "../reading-store/mongo/first-arrivals.ts";
import { type NameDocument, Names, type NamesOptions } from "../reading-store/mongo/names.ts";
import type { DeviceKey, DeviceRange } from "../reading-store/reading-store.ts";
import type { KeptName } from "../reading-store/sqlite/names.ts";
import { RecentMap } from "../reading-store/sqlite/recent-map.ts";
import type { DeviceWithLatest, LatestStore, ReadNewest } from "./latest-store.ts";
import { forgetRange, holdsOf, type LatestMetrics, mergeReading } from "./latest-values.ts";

/** A document per device: its metrics are written together as they come together. */
interface LatestDocument {
  _id: { t: string; d: string };
  /** Grows with each change; what was read before one is not written over it. */
  revision: number;
  /** Newest value of each metric; a list, because a metric's name may hold what a field's name may not. */
  metrics: { n: string; ts: number; seq: number; v: MetricValue }[];
}

export interface MongoLatestOptions extends NamesOptions {
  metricsPerDeviceMax: number;
  /** Devices whose values are held in memory. @default 20000 */
  cachedDevicesMax?: number;
}

interface Known extends DeviceKey {
  /** Undefined: it is not stored yet. */
  revision: number | undefined;
  metrics: LatestMetrics;
}

/** Attempts to write; each that fails means that another process has written. */
const ROUNDS_MAX = 50;
const DUPLICATE_KEY = 11_000;

/**
 * Newest values in the collection `latest`. A document is replaced only where it is the one that was read, and its
 * values only by later-measured ones: so they go forward, however many processes merge. A batch costs one command.
 */
export class MongoLatest implements LatestStore {
  readonly #share: MongoShare;
  readonly #latest: mongo.Collection<LatestDocument>;
  readonly #names: Names;
  readonly #readNewest: ReadNewest;
  readonly #metricsMax: number;
  readonly #cachedMax: number;
  #known: RecentMap<Known>;
  #closed = false;

  /** The store releases the share when it is closed. */
  constructor(share: MongoShare, options: MongoLatestOptions, readNewest: ReadNewest) {
    const { metricsPerDeviceMax, cachedDevicesMax = 20_000 } = options;
    this.#share = share;
    this.#latest = share.db.collection<LatestDocument>("latest");
    // Not the reading store's: one of the two may be behind.
    this.#names = new Names(share.db.collection<NameDocument>("latest-names"), options);
    this.#readNewest = readNewest;
    this.#metricsMax = metricsPerDeviceMax;
    this.#cachedMax = cachedDevicesMax;
    this.#known = new RecentMap(cachedDevicesMax);
  }

  /** Makes the indexes that there are beside those of `_id`. */
  async init(): Promise<void> {
    await this.#answer(() => this.#names.init());
  }

  async merge(batch: readonly TelemetryReceived[]): Promise<void> {
    await this.#answer(async () => {
      // With the time of arrival of a resend, an old value would take the place of newer ones.
      const byDevice = Map.groupBy(await firstArrivals(this.#names, batch), ({ message }) => keyOf(message));
      const devices = new Map(batch.map((message): [string, DeviceKey] => [keyOf(message), message]));
      await this.#write([...devices.values()], (device) => {
        let changed = device.revision === undefined;
        for (const { reading } of byDevice.get(keyOf(device)) ?? [])
          changed = mergeReading(device.metrics, reading, this.#metricsMax) || changed;
        return changed;
      });
    });
  }

  get(tenantId: string, deviceIds: readonly string[]): Promise<Map<string, LatestMetrics>> {
    return this.#answer(async () => {
      const devices = deviceIds.map((deviceId) => ({ tenantId, deviceId }));
      const stored = await this.#read(devices);
      const found = new Map<string, LatestMetrics>();
      for (const device of devices) {
        const metrics = stored.get(keyOf(device))?.metrics ?? new Map(await this.#readNewest(device));
        if (metrics.size > 0) found.set(device.deviceId, metrics);
      }
      return found;
    });
  }

  async forget(range: DeviceRange): Promise<void> {
    await this.#answer(async () => {
      // What others know by now, and not what was known here.
      this.#known.delete(keyOf(range));
      // Of a device that is not known yet, its first message brings what the reading store has then.
      if (!holdsOf((await this.#read([range])).get(keyOf(range))?.metrics, range)) return;
      const left = await this.#readNewest(range);
      await this.#write([range], (device) => {
        forgetRange(device.metrics, range, left);
        return device.revision !== undefined;
      });
    });
  }

  /** Takes devices over from another engine; those that are there stay as they are. */
  takeOver(devices: readonly DeviceWithLatest[]): Promise<void> {
    return this.#answer(async () => {
      if (devices.length === 0) return;
      await this.#latest.bulkWrite(
        devices.map((device) => ({
          updateOne: {
            filter: { _id: idOf(device) },
            update: { $setOnInsert: { revision: 1, metrics: listOf(device.metrics) } },
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
    devices: (): AsyncIterable<DeviceWithLatest> => this.#latest.find({}).map(knownOf),
    names: () => this.#names.all(),
  };

  get trouble(): string | undefined {
    return this.#closed ? undefined : this.#share.trouble;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#share.release();
  }

  /** Changes the devices and writes those of which `change` says that it did; again, for those that others changed. */
  async #write(devices: readonly DeviceKey[], change: (device: Known) => boolean): Promise<void> {
    let left = devices;
    for (let round = 0; left.length > 0; round++) {
      if (round === ROUNDS_MAX)
        throw new EngineUnavailableError("The latest store is busy: others change the same devices.");
      const known = await this.#load(left);
      const changed = known.filter(change);
      left = (await this.#put(changed)) ? [] : changed;
    }
  }

  /** From memory, else the collection, else the reading store. */
  async #load(devices: readonly DeviceKey[]): Promise<Known[]> {
    const unknown = devices.filter((device) => !this.#known.get(keyOf(device)));
    const stored = unknown.length > 0 ? await this.#read(unknown) : undefined;
    const loaded: Known[] = [];
    for (const device of devices) {
      const key = keyOf(device);
      const known = this.#known.get(key) ?? stored?.get(key) ?? (await this.#begin(device));
      this.#known.set(key, known);
      loaded.push(known);
    }
    return loaded;
  }

  async #begin({ tenantId, deviceId }: DeviceKey): Promise<Known> {
    const device = { tenantId, deviceId };
    return { ...device, revision: undefined, metrics: new Map(await this.#readNewest(device)) };
  }

  async #read(devices: readonly DeviceKey[]): Promise<Map<string, Known>> {
    const ids = devices.map(idOf);
    const found = await this.#latest.find({ _id: { $in: ids } }).toArray();
    return new Map(found.map((document) => [keyOf(knownOf(document)), knownOf(document)]));
  }

  /** Whether all were as they were known, and are written; else nothing of them is remembered. */
  async #put(devices: readonly Known[]): Promise<boolean> {
    if (devices.length === 0) return true;
    const done = await this.#replace(devices).catch((error) => {
      // What is in memory is ahead of the collection.
      this.#known = new RecentMap(this.#cachedMax);
      throw error;
    });
    for (const device of devices)
      if (done) device.revision = (device.revision ?? 0) + 1;
      else this.#known.delete(keyOf(device));
    return done;
  }

  async #replace(devices: readonly Known[]): Promise<boolean> {
    const operations = devices.map((device) => {
      const { revision } = device;
      const [_id, metrics] = [idOf(device), listOf(device.metrics)];
      return revision === undefined
        ? { insertOne: { document: { _id, revision: 1, metrics } } }
        : { replaceOne: { filter: { _id, revision }, replacement: { revision: revision + 1, metrics } } };
    });
    try {
      const { insertedCount, matchedCount } = await this.#latest.bulkWrite(operations, { ordered: false });
      return insertedCount + matchedCount === devices.length;
    } catch (error) {
      const { writeErrors } = error as { writeErrors?: { code: number }[] };
      if (writeErrors?.length && writeErrors.every(({ code }) => code === DUPLICATE_KEY)) return false;
      throw error;
    }
  }

  /** Errors of the engine in terms of the port. */
  async #answer<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new EngineUnavailableError("The latest store is closed.");
    try {
      return await work();
    } catch (error) {
      throw mongoError(error, "latest store");
    }
  }
}

const keyOf = ({ tenantId, deviceId }: DeviceKey) => `${tenantId}/${deviceId}`;
const idOf = ({ tenantId, deviceId }: DeviceKey) => ({ t: tenantId, d: deviceId });

const knownOf = ({ _id, revision, metrics }: LatestDocument): Known => ({
  tenantId: _id.t,
  deviceId: _id.d,
  revision,
  metrics: new Map(metrics.map(({ n, ts, seq, v }) => [n, { ts, seq, value: v }])),
});

const listOf = (metrics: LatestMetrics): LatestDocument["metrics"] =>
  Array.from(metrics, ([n, { ts, seq, value }]) => ({ n, ts, seq, v: value }));
