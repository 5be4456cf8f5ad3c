import type { DatabaseSync } from "node:sqlite";
import { DiskTrouble, rewriteHeader } from "../../../lib/disk-trouble.ts";
import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import type {
  AggregateQuery,
  DeviceKey,
  DeviceRange,
  IntervalAggregate,
  NewestValue,
  RangeQuery,
  ReadingStore,
  StoredReading,
  WriteResult,
} from "./reading-store.ts";
import { type AggregateOptions, aggregate } from "./sqlite/aggregate.ts";
import { type DeleteOptions, deleteRange } from "./sqlite/delete.ts";
import { deviceMetrics } from "./sqlite/device-metrics.ts";
import { engineError } from "./sqlite/engine-error.ts";
import { type KeptName, keptNames } from "./sqlite/names.ts";
import { type NewestOptions, newest } from "./sqlite/newest.ts";
import { range } from "./sqlite/range.ts";
import { openDatabase, type SqliteOptions } from "./sqlite/schema.ts";
import { Writer, type WriterOptions } from "./sqlite/writer.ts";

export interface SqliteReadingStoreOptions
  extends SqliteOptions,
    WriterOptions,
    AggregateOptions,
    DeleteOptions,
    NewestOptions {}

/**
 * Reading store in one SQLite file, for one machine; several processes may share it. SQLite works on the calling
 * thread: a batch of 500 readings holds it for about 2 ms.
 */
export class SqliteReadingStore implements ReadingStore {
  readonly #options: SqliteReadingStoreOptions;
  readonly #writeConnection: DatabaseSync;
  readonly #reader: DatabaseSync;
  readonly #writer: Writer;
  readonly #trouble: DiskTrouble;

  /** Opens the file, or makes it. @throws Error naming the file when a newer version of this program wrote it. */
  constructor(options: SqliteReadingStoreOptions) {
    const { writer, reader } = openDatabase(options);
    this.#options = options;
    this.#writeConnection = writer;
    this.#reader = reader;
    this.#writer = new Writer(writer, options);
    this.#trouble = new DiskTrouble({
      engine: "reading store",
      file: options.file,
      write: () => rewriteHeader(writer),
    });
  }

  write(batch: readonly TelemetryReceived[]): Promise<WriteResult> {
    return this.#answer(() => this.#writer.write(batch));
  }

  range(query: RangeQuery): Promise<StoredReading[]> {
    return this.#answer(() => range(this.#reader, query));
  }

  aggregate(query: AggregateQuery): Promise<IntervalAggregate[]> {
    return this.#answer(() => aggregate(this.#reader, query, this.#options));
  }

  has({ tenantId, deviceId }: DeviceKey): Promise<boolean> {
    const sql = "SELECT 1 FROM reading WHERE dev = (SELECT dev FROM device WHERE tenant = ? AND id = ?) LIMIT 1";
    return this.#answer(() => this.#reader.prepare(sql).get(tenantId, deviceId) !== undefined);
  }

  get trouble(): string | undefined {
    return this.#trouble.reason;
  }

  metrics(device: DeviceKey): Promise<string[]> {
    return this.#answer(() => deviceMetrics(this.#reader, device)?.metrics.map(({ name }) => name) ?? []);
  }

  newest(device: DeviceKey): Promise<Map<string, NewestValue>> {
    return this.#answer(() => newest(this.#reader, device, this.#options));
  }

  delete(range: DeviceRange): Promise<number> {
    return this.#answer(() => deleteRange(this.#writeConnection, range, this.#options));
  }

  devices({ after, limit }: { after?: DeviceKey | undefined; limit: number }): Promise<DeviceKey[]> {
    const sql =
      "SELECT tenant AS tenantId, id AS deviceId FROM device WHERE (tenant, id) > (?, ?) ORDER BY tenant, id LIMIT ?";
    return this.#answer(
      () =>
        this.#reader
          .prepare(sql)
          .all(after?.tenantId ?? "", after?.deviceId ?? "", limit)
          .map((row) => ({ ...row })) as unknown as DeviceKey[],
    );
  }

  /** Names of readings without a time of their own, in pages. */
  names(): Iterable<KeptName[]> {
    return keptNames(this.#reader, "(SELECT tenant || '/' || id FROM device WHERE device.dev = named.dev)");
  }

  async close(): Promise<void> {
    this.#trouble.close();
    // The writer last: only a connection that may write leaves the file without a write-ahead log.
    if (this.#reader.isOpen) this.#reader.close();
    if (this.#writeConnection.isOpen) this.#writeConnection.close();
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
}
