import { after } from "node:test";
import { shareMongo } from "../../../lib/mongo/shared-client.ts";
import { MongoReadingStore, type MongoReadingStoreOptions } from "../../../services/telemetry/reading-store/mongo.ts";
import type { OpenStore } from "../../ports/reading-store/suite/subject.ts";
import { readingStoreSuite } from "../../ports/reading-store/suite.ts";
import { mongoSettings, mongoVersion, startMongo } from "../../support/engines/mongo.ts";
import known from "./known-divergences.json" with { type: "json" };

console.log(mongoVersion());
const server = await startMongo();
after(() => server.stop());

let serial = 0;
const opener =
  (options: MongoReadingStoreOptions): OpenStore =>
  async (t, limits) => {
    const settings = mongoSettings(server, `readings-${++serial}`);
    const open = async () => {
      const store = new MongoReadingStore(await shareMongo(settings), { ...options, ...limits });
      t.after(() => store.close());
      return store;
    };
    const store = await open();
    const reopen = async () => {
      await store.close();
      return open();
    };
    return { store, reopen };
  };

// Steps that are small enough to be more than one in the tests, and no smaller: this server reads a whole collection for
// each of them.
const steps = { aggregateIntervalsMax: 50, aggregateResultsMax: 400, cachedDevicesMax: 2, deleteStepRows: 400 };
readingStoreSuite("MongoDB", opener(steps), { known: known.readings, readings: 1000 });
