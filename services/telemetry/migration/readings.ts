import { z } from "zod";
import { Ledger } from "../../../lib/migrate/ledger.ts";
import { claimMongo } from "../../../lib/migrate/mongo-claim.ts";
import type { Comparison, MigrationPart, Notes } from "../../../lib/migrate/part.ts";
import { type MongoSettings, type MongoShare, shareMongo } from "../../../lib/mongo/shared-client.ts";
import { MongoReadingStore } from "../reading-store/mongo.ts";
import type { ReadingStoreSettings } from "../reading-store/open.ts";
import type { DeviceKey, DeviceWithMetrics, StoredReading } from "../reading-store/reading-store.ts";
import { SqliteReadingStore } from "../reading-store/sqlite.ts";
import { Figures } from "./figures.ts";
import { nameIn } from "./name-text.ts";

export type ReadingsOptions = ReadingStoreSettings & { mongo: MongoSettings; target: string };

/** The device up to which everything was written, in the order in which they are walked. */
const Done = z.object({ tenantId: z.string(), deviceId: z.string() });

const COLLECTIONS = ["readings", "reading-devices", "reading-names"];
/** Readings of one command: a slow server ends each within its time. */
const READINGS_AT_ONCE = 500;
const DEVICES_AT_ONCE = 200;
const NOTED_MS = 1000;

/** Every reading, the names that readings without a time of their own were sent under, and each device's metrics. */
export async function readingsPart(options: ReadingsOptions): Promise<MigrationPart> {
  const { readingsFile: file, synchronous, metricsPerDeviceMax, readingNameHours = 24, mongo, target } = options;
  const here = new SqliteReadingStore({ file, synchronous, metricsPerDeviceMax, readingNameHours });
  try {
    const share = await shareMongo(mongo);
    const there = new MongoReadingStore(share, { metricsPerDeviceMax, readingNameHours });
    return new ReadingsPart(here, there, { share, target, names: readingNameHours > 0 });
  } catch (error) {
    await here.close();
    throw error;
  }
}

class ReadingsPart implements MigrationPart {
  readonly name = "readings";
  readonly target: string;
  readonly #here: SqliteReadingStore;
  readonly #there: MongoReadingStore;
  readonly #share: MongoShare;
  readonly #names: boolean;

  constructor(
    here: SqliteReadingStore,
    there: MongoReadingStore,
    { share, target, names }: { share: MongoShare; target: string; names: boolean },
  ) {
    this.target = target;
    this.#here = here;
    this.#there = there;
    this.#share = share;
    this.#names = names;
  }

  async claim(migrationId: string, begun: boolean): Promise<void> {
    await claimMongo(this.#share.db, { target: this.target, migrationId, begun }, COLLECTIONS);
  }

  async copy(notes: Notes): Promise<void> {
    await this.#there.init();
    if (this.#names) for (const page of this.#here.names()) await this.#there.takeOverNames(page);
    const done = Done.optional().parse(notes.read());
    let notedAt = performance.now();
    for await (const devices of this.#devices(done)) {
      await this.#there.takeOverDevices(devices);
      for (const { tenantId, deviceId } of devices) {
        const device = { tenantId, deviceId };
        for await (const readings of this.#readings(device))
          await this.#there.write([{ ...device, messageId: "", receivedAt: 0, readings }]);
        if (performance.now() - notedAt < NOTED_MS) continue;
        notes.write(device);
        notedAt = performance.now();
      }
    }
  }

  async compare(): Promise<Comparison[]> {
    const names = this.#names ? [await this.#compareNames()] : [];
    return [await this.#compareDevices(), await this.#compareReadings(), ...names];
  }

  async close(): Promise<void> {
    await this.#here.close();
    await this.#there.close();
  }

  async *#devices(after?: DeviceKey): AsyncGenerator<DeviceWithMetrics[]> {
    for (let last = after; ; ) {
      const page = await this.#here.devices({ after: last, limit: DEVICES_AT_ONCE });
      last = page.at(-1);
      if (!last) return;
      yield await Promise.all(page.map(async (device) => ({ ...device, metrics: await this.#here.metrics(device) })));
    }
  }

  async *#readings(device: DeviceKey): AsyncGenerator<StoredReading[]> {
    for (let after: StoredReading | undefined; ; ) {
      const page = await this.#here.range({ ...device, order: "asc", limit: READINGS_AT_ONCE, after });
      after = page.at(-1);
      if (!after) return;
      yield page;
    }
  }

  async #compareDevices(): Promise<Comparison> {
    const ledger = new Ledger("metrics of");
    const idOf = ({ tenantId, deviceId }: DeviceKey) => `${tenantId}/${deviceId}`;
    for await (const devices of this.#devices())
      for (const device of devices) ledger.addHere(idOf(device), JSON.stringify(device.metrics));
    for await (const device of this.#there.every.devices())
      ledger.addThere(idOf(device), JSON.stringify(device.metrics));
    return ledger.comparison("devices with readings");
  }

  async #compareReadings(): Promise<Comparison> {
    const [here, there] = [new Figures(), new Figures()];
    for await (const devices of this.#devices())
      for (const device of devices)
        for await (const page of this.#readings(device))
          for (const reading of page) here.add({ ...device, ...reading });
    for await (const reading of this.#there.every.readings()) there.add(reading);
    const told = ({ readings, devices }: Figures) => `${readings} of ${devices} devices`;
    return {
      what: "readings (count, sum, minimum, maximum of each metric of each device)",
      ...{ here: told(here), there: told(there), differences: here.differences(there) },
    };
  }

  async #compareNames(): Promise<Comparison> {
    const ledger = new Ledger("name of a reading");
    for (const page of this.#here.names()) for (const name of page) ledger.addHere(...nameIn(name));
    for await (const name of this.#there.every.names()) ledger.addThere(...nameIn(name));
    return ledger.comparison("names of readings");
  }
}
