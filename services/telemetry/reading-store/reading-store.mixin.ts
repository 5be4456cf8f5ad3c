import type { HealthBroker } from "../../../lib/health.ts";
import type { Mixin } from "../../../lib/service.ts";
import type { ReadingStore } from "./reading-store.ts";
import { SqliteReadingStore } from "./sqlite.ts";

export interface ReadingStoreSettings {
  readingsFile: string;
  synchronous: "FULL" | "NORMAL";
  /** Metrics that one device may have. */
  metricsPerDeviceMax: number;
  /** Hours in which a name stands for the same reading. */
  readingNameHours?: number;
}

interface Host {
  settings: ReadingStoreSettings;
  broker: Partial<HealthBroker>;
  readings?: ReadingStore;
  unwatchReadings?: (() => void) | undefined;
}

/** Opens the reading store before the service starts and closes it after it stopped. */
export const readingStore: Mixin<{ readings: ReadingStore }> = {
  async started(this: Host) {
    const { readingsFile: file, synchronous, metricsPerDeviceMax, readingNameHours = 24 } = this.settings;
    const readings = new SqliteReadingStore({ file, synchronous, metricsPerDeviceMax, readingNameHours });
    this.readings = readings;
    this.unwatchReadings = this.broker.health?.register(() => readings.trouble);
  },
  async stopped(this: Host) {
    this.unwatchReadings?.();
    await this.readings?.close();
  },
} as unknown as Mixin<{ readings: ReadingStore }>; // Moleculer types `this` of a mixin without its host's settings.
