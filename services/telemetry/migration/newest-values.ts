import { Ledger } from "../../../lib/migrate/ledger.ts";
import { claimMongo } from "../../../lib/migrate/mongo-claim.ts";
import type { Comparison, MigrationPart } from "../../../lib/migrate/part.ts";
import { type MongoSettings, type MongoShare, shareMongo } from "../../../lib/mongo/shared-client.ts";
import type { DeviceWithLatest } from "../latest/latest-store.ts";
import { MongoLatest } from "../latest/mongo-latest.ts";
import { SqliteLatest } from "../latest/sqlite-latest.ts";
import type { ReadingStoreSettings } from "../reading-store/open.ts";
import { nameIn } from "./name-text.ts";

export interface NewestValuesOptions extends Omit<ReadingStoreSettings, "readingsFile"> {
  latestFile: string;
  mongo: MongoSettings;
  target: string;
}

const COLLECTIONS = ["latest", "latest-names"];

/** Neither side is asked for values that it does not have. */
const nothing = async () => new Map<string, never>();

/** The newest values of each device, and the names of readings that are kept beside them. */
export async function newestValuesPart(options: NewestValuesOptions): Promise<MigrationPart> {
  const { latestFile: file, synchronous, metricsPerDeviceMax, readingNameHours = 24, mongo, target } = options;
  const limits = { metricsPerDeviceMax, readingNameHours };
  const here = new SqliteLatest({ file, synchronous, ...limits }, nothing);
  try {
    const share = await shareMongo(mongo);
    const there = new MongoLatest(share, limits, nothing);
    return new NewestValues(here, there, { share, target, names: readingNameHours > 0 });
  } catch (error) {
    await here.close();
    throw error;
  }
}

class NewestValues implements MigrationPart {
  readonly name = "newest values";
  readonly target: string;
  readonly #here: SqliteLatest;
  readonly #there: MongoLatest;
  readonly #share: MongoShare;
  readonly #names: boolean;

  constructor(
    here: SqliteLatest,
    there: MongoLatest,
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

  async copy(): Promise<void> {
    await this.#there.init();
    for (const page of this.#here.pages()) await this.#there.takeOver(page);
    if (this.#names) for (const page of this.#here.names()) await this.#there.takeOverNames(page);
  }

  async compare(): Promise<Comparison[]> {
    const devices = new Ledger("newest values of");
    for (const page of this.#here.pages()) for (const device of page) devices.addHere(...deviceIn(device));
    for await (const device of this.#there.every.devices()) devices.addThere(...deviceIn(device));
    const compared = [devices.comparison("devices with newest values")];
    if (!this.#names) return compared;
    const names = new Ledger("name of a newest value");
    for (const page of this.#here.names()) for (const name of page) names.addHere(...nameIn(name));
    for await (const name of this.#there.every.names()) names.addThere(...nameIn(name));
    return [...compared, names.comparison("names of newest values")];
  }

  async close(): Promise<void> {
    await this.#here.close();
    await this.#there.close();
  }
}

const deviceIn = ({ tenantId, deviceId, metrics }: DeviceWithLatest): [id: string, content: string] => [
  `${tenantId}/${deviceId}`,
  JSON.stringify([...metrics].sort(([a], [b]) => (a < b ? -1 : 1))),
];
