import { after, before } from "node:test";
import { shareMongo } from "../../../lib/mongo/shared-client.ts";
import { MongoLatest } from "../../../services/telemetry/latest/mongo-latest.ts";
import { MongoReadingStore } from "../../../services/telemetry/reading-store/mongo.ts";
import { latestStoreSuite } from "../../ports/latest-store/suite.ts";
import { type MongoServer, mongoSettings, startMongo } from "../../support/engines/mongo.ts";

let server: MongoServer;
before(async () => {
  server = await startMongo();
});
after(() => server?.stop());

let serial = 0;
latestStoreSuite("MongoDB", async (t, options) => {
  const settings = mongoSettings(server, `latest-${++serial}`);
  const readings = new MongoReadingStore(await shareMongo(settings));
  t.after(() => readings.close());
  const another = async () => {
    const limits = { metricsPerDeviceMax: 1000, ...options };
    const store = new MongoLatest(await shareMongo(settings), limits, (device) => readings.newest(device));
    t.after(() => store.close());
    return store;
  };
  const latest = await another();
  const reopen = async () => {
    await latest.close();
    return another();
  };
  return { readings, latest, reopen, another };
});
