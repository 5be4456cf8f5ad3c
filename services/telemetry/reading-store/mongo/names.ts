import type { mongo } from "mongoose";
import { EngineUnavailableError } from "../../../../lib/channels/errors.ts";
import type { DeviceKey } from "../reading-store.ts";
import type { KeptName } from "../sqlite/names.ts";

export interface NamesOptions {
  /** Hours from the first arrival in which a name stands for the same reading; 0 = names are not kept. @default 24 */
  readingNameHours?: number | undefined;
}

export interface NameDocument {
  /** `tenant/device/seq` */
  _id: string;
  /** The instant of the first reading of this name. */
  ts: number;
  /** When that came, by its message. */
  seen: number;
  /** Dropped after it: by the clock, and so never before a message that is read again was judged. */
  expiresAt: Date;
}

/** A reading that its sender has named, as it came. */
export interface Arrival extends DeviceKey {
  ts: number;
  seq: number;
  receivedAt: number;
}

/** Attempts to keep names; each that fails means that another process has kept some of them. */
const ROUNDS_MAX = 50;
const DUPLICATE_KEY = 11_000;
const NAMES_AT_ONCE = 500;

/**
 * The instants under which named readings came first. Time is that of the messages, not the clock's: messages that are
 * read again are judged as they were. Names are kept before the readings are written: where the server goes away in
 * between, the readings come again and find them.
 */
export class Names {
  readonly #names: mongo.Collection<NameDocument>;
  readonly #micros: number;

  constructor(names: mongo.Collection<NameDocument>, { readingNameHours = 24 }: NamesOptions) {
    this.#names = names;
    this.#micros = readingNameHours * 3_600_000_000;
  }

  async init(): Promise<void> {
    await this.#names.createIndex({ expiresAt: 1 }, { expireAfterSeconds: 0 });
  }

  /** For each arrival, in their order, the instant of the first reading of its name; its own, where it is the first. */
  async firstTimes(arrivals: readonly Arrival[]): Promise<number[]> {
    if (this.#micros === 0 || arrivals.length === 0) return arrivals.map(({ ts }) => ts);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const ids = [...new Set(arrivals.map(nameOf))];
      const known = new Map((await this.#names.find({ _id: { $in: ids } }).toArray()).map((name) => [name._id, name]));
      const { times, operations } = this.#judge(arrivals, known);
      if (operations.length === 0 || (await this.#keep(operations))) return times;
    }
    throw new EngineUnavailableError("Names are busy: others keep the same ones.");
  }

  /** Takes names over from another engine; those that are there stay as they are. */
  async takeOver(names: readonly KeptName[]): Promise<void> {
    if (this.#micros === 0 || names.length === 0) return;
    const expiresAt = new Date(Date.now() + this.#micros / 1000);
    await this.#names.bulkWrite(
      names.map(({ device, seq, ts, seen }) => ({
        updateOne: {
          filter: { _id: `${device}/${seq}` },
          update: { $setOnInsert: { ts, seen, expiresAt } },
          upsert: true,
        },
      })),
      { ordered: false },
    );
  }

  /** Every name that is kept, in no order. */
  async *all(): AsyncGenerator<KeptName> {
    for await (const { _id, ts, seen } of this.#names.find({}).batchSize(NAMES_AT_ONCE)) {
      const at = _id.lastIndexOf("/");
      yield { device: _id.slice(0, at), seq: Number(_id.slice(at + 1)), ts, seen };
    }
  }

  #judge(arrivals: readonly Arrival[], stored: ReadonlyMap<string, NameDocument>) {
    const known = new Map(stored);
    const kept = new Map<string, NameDocument>();
    const expiresAt = new Date(Date.now() + this.#micros / 1000);
    const times = arrivals.map((arrival) => {
      const _id = nameOf(arrival);
      const { ts, receivedAt: seen } = arrival;
      const name = known.get(_id);
      // Both ways: a machine's clock may have been set back.
      if (name && Math.abs(seen - name.seen) <= this.#micros) return name.ts;
      const first = { _id, ts, seen, expiresAt };
      known.set(_id, first);
      kept.set(_id, first);
      return ts;
    });
    const operations = [...kept.values()].map((name) => {
      const before = stored.get(name._id);
      const { _id, ...fields } = name;
      return before === undefined
        ? { insertOne: { document: name } }
        : { updateOne: { filter: { _id, ts: before.ts, seen: before.seen }, update: { $set: fields } } };
    });
    return { times, operations };
  }

  /** Whether all were as they had been read, and are kept. */
  async #keep(operations: mongo.AnyBulkWriteOperation<NameDocument>[]): Promise<boolean> {
    try {
      const { insertedCount, matchedCount } = await this.#names.bulkWrite(operations, { ordered: false });
      return insertedCount + matchedCount === operations.length;
    } catch (error) {
      const { writeErrors } = error as { writeErrors?: { code: number }[] };
      if (writeErrors?.length && writeErrors.every(({ code }) => code === DUPLICATE_KEY)) return false;
      throw error;
    }
  }
}

const nameOf = ({ tenantId, deviceId, seq }: Arrival) => `${tenantId}/${deviceId}/${seq}`;
