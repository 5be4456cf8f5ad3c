import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import type { DeviceKey, DeviceRange, NewestValue } from "../reading-store/reading-store.ts";
import type { LatestMetrics } from "./latest-values.ts";

/** What the reading store has as the newest values of a device. */
export type ReadNewest = (device: DeviceKey) => Promise<ReadonlyMap<string, NewestValue>>;

/** A device's newest values. */
export interface DeviceWithLatest extends DeviceKey {
  metrics: LatestMetrics;
}

/** Keeps the newest value of each metric of each device. Rejects with `EngineUnavailableError` as the reading store does. */
export interface LatestStore {
  /** Puts a batch in, durably. A device that is not known yet begins with what the reading store has of it. */
  merge(batch: readonly TelemetryReceived[]): Promise<void>;
  /** Of those devices that have values. */
  get(tenantId: string, deviceIds: readonly string[]): Promise<Map<string, LatestMetrics>>;
  /** Readings of the range were deleted from the reading store. */
  forget(range: DeviceRange): Promise<void>;
  /** Why nothing can be written at present, for operators; undefined where it can. */
  readonly trouble: string | undefined;
  close(): Promise<void>;
}
