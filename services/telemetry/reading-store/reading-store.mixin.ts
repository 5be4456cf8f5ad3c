import type { HealthBroker } from "../../../lib/health.ts";
import type { Mixin } from "../../../lib/service.ts";
import { openReadingStore, type ReadingStoreSettings } from "./open.ts";
import type { ReadingStore } from "./reading-store.ts";

export type { ReadingStoreSettings } from "./open.ts";

interface Host {
  settings: ReadingStoreSettings;
  broker: Partial<HealthBroker>;
  readings?: ReadingStore;
  unwatchReadings?: (() => void) | undefined;
}

/** Opens the reading store before the service starts and closes it after it stopped. */
export const readingStore: Mixin<{ readings: ReadingStore }> = {
  async started(this: Host) {
    const readings = await openReadingStore(this.settings);
    this.readings = readings;
    this.unwatchReadings = this.broker.health?.register(() => readings.trouble);
  },
  async stopped(this: Host) {
    this.unwatchReadings?.();
    await this.readings?.close();
  },
} as unknown as Mixin<{ readings: ReadingStore }>; // Moleculer types `this` of a mixin without its host's settings.
