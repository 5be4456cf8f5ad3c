import { DatabaseSync, type StatementSync } from "node:sqlite";
import { DiskTrouble, rewriteHeader } from "../../../lib/disk-trouble.ts";
import { migrate, type SqliteSchema } from "../../../lib/sqlite-schema.ts";
import type { MetricValue, TelemetryReading, TelemetryReceived } from "../../../schemas/telemetry.ts";
import type { DeviceKey, DeviceRange, NewestValue } from "../reading-store/reading-store.ts";
import { engineError } from "../reading-store/sqlite/engine-error.ts";
import { type KeptName, keptNames, NAMES_TABLE, Names, type NamesOptions } from "../reading-store/sqlite/names.ts";
import { RecentMap } from "../reading-store/sqlite/recent-map.ts";
import type { DeviceWithLatest, LatestStore, ReadNewest } from "./latest-store.ts";
import { forgetRange, holdsOf, type LatestMetrics, mergeReading } from "./latest-values.ts";

/** A row per device: its metrics are written together as they come together. */
const TABLES = `
  CREATE TABLE latest(tenant TEXT NOT NULL, device TEXT NOT NULL, metrics TEXT NOT NULL, PRIMARY KEY(tenant, device))
    WITHOUT ROWID;`;

const SCHEMA: SqliteSchema = {
  kind: "latest store",
  /** "GngN", for newest. */
  applicationId: 0x476e674e,
  unmarkedUntil: 1,
  steps: [
    (db) => db.exec(TABLES),
    // 2: the file has an application id.
    () => {},
    (db) => db.exec(NAMES_TABLE),
  ],
};

const DEVICES_AT_ONCE = 200;

export interface SqliteLatestOptions extends NamesOptions {
  file: string;
  synchronous: "FULL" | "NORMAL";
  metricsPerDeviceMax: number;
  /** Devices whose values are held in memory. @default 20000 */
  cachedDevicesMax?: number;
  /** Wait for another process's write before the engine counts as unavailable. @default 1000 */
  busyTimeoutMs?: number;
}

interface Known extends DeviceKey {
  metrics: LatestMetrics;
}

/** Newest values in an SQLite file of their own. A batch costs one row per device and one commit, however long it is. */
export class SqliteLatest implements LatestStore {
  readonly #db: DatabaseSync;
  readonly #readNewest: ReadNewest;
  readonly #trouble: DiskTrouble;
  readonly #metricsMax: number;
  readonly #cachedMax: number;
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #dataVersion: StatementSync;
  readonly #names: Names;
  #known: RecentMap<Known>;
  #version: unknown;

  /** Opens the file, or makes it. @throws Error naming the file when a newer version of this program wrote it. */
  constructor(options: SqliteLatestOptions, readNewest: ReadNewest) {
    const { metricsPerDeviceMax, cachedDevicesMax = 20_000 } = options;
    const db = open(options);
    this.#db = db;
    this.#trouble = new DiskTrouble({ engine: "latest store", file: options.file, write: () => rewriteHeader(db) });
    this.#readNewest = readNewest;
    this.#metricsMax = metricsPerDeviceMax;
    this.#cachedMax = cachedDevicesMax;
    this.#known = new RecentMap(cachedDevicesMax);
    this.#find = this.#db.prepare("SELECT metrics FROM latest WHERE tenant = ? AND device = ?");
    this.#put = this.#db.prepare(
      "INSERT INTO latest(tenant, device, metrics) VALUES(?, ?, ?) ON CONFLICT DO UPDATE SET metrics = excluded.metrics",
    );
    this.#names = new Names(db, options);
    this.#dataVersion = this.#db.prepare("PRAGMA data_version");
  }

  async merge(batch: readonly TelemetryReceived[]): Promise<void> {
    await this.#answer(async () => {
      // Looked up first and once: the rest must be one turn.
      const seeds = await this.#seedsOf(batch);
      this.#write((dirty) => {
        for (const message of batch) {
          const device = this.#knownOf(message) ?? this.#begin(message, seeds, dirty);
          for (const given of message.readings) {
            const reading = given.named ? this.#firstOf(message, given) : given;
            if (mergeReading(device.metrics, reading, this.#metricsMax)) dirty.add(device);
          }
        }
        this.#names.prune();
      });
    });
  }

  get(tenantId: string, deviceIds: readonly string[]): Promise<Map<string, LatestMetrics>> {
    return this.#answer(async () => {
      const found = new Map<string, LatestMetrics>();
      for (const deviceId of deviceIds) {
        const device = { tenantId, deviceId };
        const metrics = this.#stored(device) ?? new Map(await this.#readNewest(device));
        if (metrics.size > 0) found.set(deviceId, metrics);
      }
      return found;
    });
  }

  async forget(range: DeviceRange): Promise<void> {
    await this.#answer(async () => {
      if (!holdsOf(this.#stored(range), range)) return;
      const left = await this.#readNewest(range);
      this.#write((dirty) => {
        const device = this.#knownOf(range);
        // Of a device that is not known yet, its first message brings what the reading store has then.
        if (!device) return;
        forgetRange(device.metrics, range, left);
        dirty.add(device);
      });
    });
  }

  /** Names of readings without a time of their own, in pages. */
  names(): Iterable<KeptName[]> {
    return keptNames(this.#db, "dev");
  }

  /** Every device that has values, in pages. */
  *pages(): Generator<DeviceWithLatest[]> {
    const next = this.#db.prepare(
      "SELECT tenant, device, metrics FROM latest WHERE (tenant, device) > (?, ?) ORDER BY tenant, device LIMIT ?",
    );
    for (let after: DeviceKey = { tenantId: "", deviceId: "" }; ; ) {
      const page = next.all(after.tenantId, after.deviceId, DEVICES_AT_ONCE).map((row) => ({
        ...{ tenantId: String(row["tenant"]), deviceId: String(row["device"]) },
        metrics: metricsOf(String(row["metrics"])),
      }));
      const last = page.at(-1);
      if (!last) return;
      yield page;
      after = last;
    }
  }

  get trouble(): string | undefined {
    return this.#trouble.reason;
  }

  async close(): Promise<void> {
    this.#trouble.close();
    if (this.#db.isOpen) this.#db.close();
  }

  /** Errors of the engine in terms of the port. */
  async #answer<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#trouble.report(error);
      throw engineError(error);
    }
  }

  /** What devices begin with that are in no file yet. */
  async #seedsOf(batch: readonly TelemetryReceived[]): Promise<Map<string, LatestMetrics>> {
    this.#forgetWhatOthersWrote();
    const seeds = new Map<string, LatestMetrics>();
    for (const message of batch) {
      if (this.#knownOf(message)) continue;
      const { tenantId, deviceId } = message;
      const key = keyOf(message);
      if (!seeds.has(key)) seeds.set(key, new Map(await this.#readNewest({ tenantId, deviceId })));
    }
    return seeds;
  }

  /**
   * With the time of arrival of the resend, an old value would take the place of newer ones. The names are kept here
   * too: the reading store may be behind.
   */
  #firstOf(message: TelemetryReceived, reading: TelemetryReading): TelemetryReading {
    const { ts, seq } = reading;
    return { ...reading, ts: this.#names.firstTs(keyOf(message), seq, ts, message.receivedAt) };
  }

  #begin(message: DeviceKey, seeds: ReadonlyMap<string, LatestMetrics>, dirty: Set<Known>): Known {
    const device = this.#added(message, seeds.get(keyOf(message)) ?? new Map());
    dirty.add(device);
    return device;
  }

  /** Changes what is known and writes the devices that `work` calls dirty, in one turn and one transaction. */
  #write(work: (dirty: Set<Known>) => void): void {
    const dirty = new Set<Known>();
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      this.#forgetWhatOthersWrote();
      work(dirty);
      for (const { tenantId, deviceId, metrics } of dirty) this.#put.run(tenantId, deviceId, textOf(metrics));
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec("ROLLBACK");
      // What is in memory is ahead of the file.
      this.#known = new RecentMap(this.#cachedMax);
      throw error;
    }
  }

  /** The group may have been another process's for a while. */
  #forgetWhatOthersWrote(): void {
    const version = this.#dataVersion.get()?.["data_version"];
    if (version !== this.#version) this.#known = new RecentMap(this.#cachedMax);
    this.#version = version;
  }

  #knownOf({ tenantId, deviceId }: DeviceKey): Known | undefined {
    const key = `${tenantId}/${deviceId}`;
    const known = this.#known.get(key);
    if (known) return known;
    const metrics = this.#stored({ tenantId, deviceId });
    return metrics && this.#added({ tenantId, deviceId }, metrics);
  }

  #added({ tenantId, deviceId }: DeviceKey, metrics: LatestMetrics): Known {
    const known = { tenantId, deviceId, metrics };
    this.#known.set(`${tenantId}/${deviceId}`, known);
    return known;
  }

  #stored({ tenantId, deviceId }: DeviceKey): LatestMetrics | undefined {
    const row = this.#find.get(tenantId, deviceId);
    return row && metricsOf(String(row["metrics"]));
  }
}

const keyOf = ({ tenantId, deviceId }: DeviceKey) => `${tenantId}/${deviceId}`;

type Entry = [name: string, ts: number, seq: number, value: MetricValue];

const textOf = (metrics: LatestMetrics): string =>
  JSON.stringify(Array.from(metrics, ([name, { ts, seq, value }]): Entry => [name, ts, seq, value]));

const metricsOf = (text: string): LatestMetrics =>
  new Map(
    (JSON.parse(text) as Entry[]).map(([name, ts, seq, value]): [string, NewestValue] => [name, { ts, seq, value }]),
  );

function open({ file, synchronous, busyTimeoutMs: timeout = 1000 }: SqliteLatestOptions): DatabaseSync {
  const db = new DatabaseSync(file, { timeout });
  try {
    migrate(db, file, SCHEMA);
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}; PRAGMA cache_size = -8192`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
