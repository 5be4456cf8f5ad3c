import type { ReadingStoreSettings } from "../reading-store/open.ts";
import type { LatestStore, ReadNewest } from "./latest-store.ts";

/** Opens the latest store of the engine that is set; the other's code is not loaded. */
export async function openLatestStore(
  settings: Omit<ReadingStoreSettings, "readingsFile"> & { latestFile: string },
  readNewest: ReadNewest,
): Promise<LatestStore> {
  const { latestFile: file, synchronous, metricsPerDeviceMax, readingNameHours = 24, mongo } = settings;
  if (mongo) {
    const { shareMongo } = await import("../../../lib/mongo/shared-client.ts");
    const { MongoLatest } = await import("./mongo-latest.ts");
    const store = new MongoLatest(await shareMongo(mongo), { metricsPerDeviceMax, readingNameHours }, readNewest);
    await store.init();
    return store;
  }
  const { SqliteLatest } = await import("./sqlite-latest.ts");
  return new SqliteLatest({ file, synchronous, metricsPerDeviceMax, readingNameHours }, readNewest);
}
