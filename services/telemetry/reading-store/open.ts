import type { MongoSettings } from "../../../lib/mongo/shared-client.ts";
import type { ReadingStore } from "./reading-store.ts";

export interface ReadingStoreSettings {
  readingsFile: string;
  synchronous: "FULL" | "NORMAL";
  /** Metrics that one device may have. */
  metricsPerDeviceMax: number;
  /** Hours in which a name stands for the same reading. */
  readingNameHours?: number;
  /** MongoDB, which then takes the place of the file. */
  mongo?: MongoSettings;
}

/** Opens the reading store of the engine that is set; the other's code is not loaded. */
export async function openReadingStore(settings: ReadingStoreSettings): Promise<ReadingStore> {
  const { readingsFile: file, synchronous, metricsPerDeviceMax, readingNameHours = 24, mongo } = settings;
  if (mongo) {
    const { shareMongo } = await import("../../../lib/mongo/shared-client.ts");
    const { MongoReadingStore } = await import("./mongo.ts");
    const store = new MongoReadingStore(await shareMongo(mongo), { metricsPerDeviceMax, readingNameHours });
    await store.init();
    return store;
  }
  const { SqliteReadingStore } = await import("./sqlite.ts");
  return new SqliteReadingStore({ file, synchronous, metricsPerDeviceMax, readingNameHours });
}
