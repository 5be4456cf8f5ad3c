import type {
  AggregateFunction,
  MetricValue,
  MetricValues,
  TelemetryReading,
  TelemetryReceived,
} from "../../../schemas/telemetry.ts";
import type { Interval } from "../interval.ts";

/**
 * Keeps every reading once, by (tenant, device, ts, seq). All instants are microseconds since 1970 as integers; every
 * range is half-open, [from, to), and without `from` or `to` unbounded on that side.
 *
 * Values come back as they were given: a boolean as a boolean, a text as a text, a number as the same double. (Text is
 * UTF-8: a lone surrogate comes back as U+FFFD.)
 *
 * Methods reject with `EngineUnavailableError` while the engine cannot do its work (disk full, I/O error, busy,
 * closed): the same call may succeed later.
 */
export interface ReadingStore {
  /**
   * Stores the readings of all messages, or none. Resolves when they are durable; readings that are there already are
   * left as they are and counted. A `named` reading is the same as the first one of its device and `seq` that came at
   * most `readingNameHours` before or after it, by `receivedAt`, and has that one's `ts`. A reading with one metric more than its device may have is left out and handed back.
   *
   * @throws ReadingRefusedError (not retryable) naming the device and the field, of what no edge lets through.
   */
  write(batch: readonly TelemetryReceived[]): Promise<WriteResult>;

  /** A page of readings by (ts, seq). With `metrics` only readings that have one of them, and only those values. */
  range(query: RangeQuery): Promise<StoredReading[]>;

  /**
   * A page of intervals that hold a value, aggregated per metric. Which they are, `intervalsOf` says; of an interval that
   * reaches beyond [from, to) only the readings inside count.
   *
   * | function | values that it takes | result |
   * |---|---|---|
   * | count | all | number |
   * | first, last | all, by (ts, seq) | the value, of its own type |
   * | avg, min, max, sum | numbers, and booleans as 0 and 1; text is ignored | number |
   *
   * A function is left out where no value is for it, or where the result is beyond the doubles. avg and sum are
   * compensated (Kahan, Babuska, Neumaier), not added up blindly.
   */
  aggregate(query: AggregateQuery): Promise<IntervalAggregate[]>;

  /** Whether a reading of the device is stored. */
  has(device: DeviceKey): Promise<boolean>;

  /** Names of every metric that the device ever had, in the order in which they came first. */
  metrics(device: DeviceKey): Promise<string[]>;

  /** The newest value of each metric, by (ts, seq). */
  newest(device: DeviceKey): Promise<Map<string, NewestValue>>;

  /**
   * Deletes the readings of [from, to) in steps, between which other work gets its turn, and resolves with their number.
   * Each step is durable by itself: when it rejects or the process dies, a part may be gone, and the same call deletes
   * the rest. Oldest first. What is written meanwhile may stay.
   */
  delete(range: DeviceRange): Promise<number>;

  /** Devices of every tenant that ever had a reading, by tenant and id; a page behind `after`. */
  devices(page: { after?: DeviceKey | undefined; limit: number }): Promise<DeviceKey[]>;

  /** Why nothing can be stored at present, for operators; undefined where it can. */
  readonly trouble: string | undefined;

  close(): Promise<void>;
}

export interface WriteResult {
  /** Readings that were new. */
  stored: number;
  /** Readings that were there already, or twice in the batch. */
  duplicates: number;
  /** Readings that were left out. */
  refused: RefusedReading[];
}

export interface RefusedReading {
  message: TelemetryReceived;
  reading: TelemetryReading;
  /** Names the metric. */
  reason: string;
}

export interface DeviceKey {
  tenantId: string;
  deviceId: string;
}

/** A device that ever had a reading. */
export interface DeviceWithMetrics extends DeviceKey {
  /** In the order in which they came first. */
  metrics: string[];
}

export interface DeviceRange extends DeviceKey {
  /** Included. */
  from?: number | undefined;
  /** Excluded. */
  to?: number | undefined;
}

export interface NewestValue {
  ts: number;
  seq: number;
  value: MetricValue;
}

interface Selection extends DeviceRange {
  /** Left out: every metric. A metric that the device never had is no error. */
  metrics?: readonly string[] | undefined;
  order: "asc" | "desc";
  /** Items of the page at most; it ends earlier where it becomes too heavy (`isFull` in page-weight.ts). */
  limit: number;
}

export interface RangeQuery extends Selection {
  /** Key of the former page's last reading: the page begins behind it, in `order`. */
  after?: { ts: number; seq: number } | undefined;
}

export interface AggregateQuery extends Selection {
  interval: Interval;
  /** IANA time zone in which intervals begin; left out: UTC. */
  timeZone?: string | undefined;
  functions: readonly AggregateFunction[];
  /** Start of the former page's last interval: the page begins behind it, in `order`. */
  afterStart?: number | undefined;
}

export interface StoredReading {
  ts: number;
  seq: number;
  values: MetricValues;
}

export type MetricAggregate = Partial<Record<AggregateFunction, MetricValue>>;

export interface IntervalAggregate {
  start: number;
  end: number;
  metrics: Record<string, MetricAggregate>;
}
