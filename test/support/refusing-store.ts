// Loaded before the platform: a reading store with a fault, which takes no reading of a metric `c`. No edge lets through
// what the store itself can't keep, so that a dead letter needs one.
import { ReadingRefusedError } from "../../services/telemetry/errors.ts";
import { MongoReadingStore } from "../../services/telemetry/reading-store/mongo.ts";
import { SqliteReadingStore } from "../../services/telemetry/reading-store/sqlite.ts";

for (const { prototype } of [SqliteReadingStore, MongoReadingStore]) {
  const { write } = prototype;
  prototype.write = async function (this: never, batch) {
    const poison = batch.find(({ readings }) => readings.some(({ values }) => "c" in values));
    if (poison) throw new ReadingRefusedError(poison.tenantId, poison.deviceId, 'metric "c"', "is not taken");
    return write.call(this, batch);
  };
}
