// Loaded before the platform: a reading store that deletes nothing. Of a device `refused` it says that it is away, and of
// a device `hanging` nothing at all.
import { EngineUnavailableError } from "../../lib/channels/errors.ts";
import { MongoReadingStore } from "../../services/telemetry/reading-store/mongo.ts";
import type { DeviceRange } from "../../services/telemetry/reading-store/reading-store.ts";
import { SqliteReadingStore } from "../../services/telemetry/reading-store/sqlite.ts";

for (const { prototype } of [SqliteReadingStore, MongoReadingStore])
  prototype.delete = ({ deviceId }: DeviceRange) =>
    deviceId === "hanging" ? new Promise<never>(() => {}) : Promise.reject(new EngineUnavailableError("away"));
