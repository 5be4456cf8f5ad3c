import type { Mixin } from "../../../lib/service.ts";
import type { ReadingStore } from "./reading-store.ts";
import { SqliteReadingStore } from "./sqlite.ts";

export interface ReadingStoreSettings {
  readingsFile: string;
  synchronous: "FULL" | "NORMAL";
  /** Metrics that one device may have. */
  metricsPerDeviceMax: number;
}

interface Host {
  settings: ReadingStoreSettings;
  readings?: ReadingStore;
}

/** Opens the reading store before the service starts and closes it after it stopped. */
export const readingStore: Mixin<{ readings: ReadingStore }> = {
  async started(this: Host) {
    const { readingsFile: file, synchronous, metricsPerDeviceMax } = this.settings;
    this.readings = new SqliteReadingStore({ file, synchronous, metricsPerDeviceMax });
  },
  async stopped(this: Host) {
    await this.readings?.close();
  },
} as unknown as Mixin<{ readings: ReadingStore }>; // Moleculer types `this` of a mixin without its host's settings.
