import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Model } from "mongoose";
import { isDuplicate } from "./duplicate.ts";
import type { SharedStateDocument } from "./shared-state.model.ts";

/** How often a lock that is held is looked at again. */
const RETRY_MS = 10;

/** Proofs that were used, refreshes that are repeated, clocks of polling devices, locks: shared by all nodes. */
export class SharedState {
  readonly #model: Model<SharedStateDocument>;

  constructor(model: Model<SharedStateDocument>) {
    this.#model = model;
  }

  async get<T>(key: string): Promise<T | undefined> {
    const entry = await this.#model.findById(key).lean<SharedStateDocument>();
    return entry && entry.expireAt.getTime() > Date.now() ? (JSON.parse(entry.value) as T) : undefined;
  }

  async set(key: string, value: unknown, seconds: number): Promise<void> {
    const entry = { value: JSON.stringify(value), expireAt: endAfter(seconds) };
    await this.#model.updateOne({ _id: key }, { $set: entry }, { upsert: true });
  }

  /** @returns whether it was not there; of several nodes that add one key at once, one is told so. */
  async add(key: string, value: unknown, seconds: number): Promise<boolean> {
    const entry = { _id: key, value: JSON.stringify(value), expireAt: endAfter(seconds) };
    for (let attempt = 0; ; attempt++)
      try {
        await this.#model.create(entry);
        return true;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        // What has ended is swept once a minute only.
        const { deletedCount } = await this.#model.deleteOne({ _id: key, expireAt: { $lte: new Date() } });
        if (deletedCount === 0 || attempt > 0) return false;
      }
  }

  /**
   * Runs `work` for one holder of the key at a time.
   *
   * @param seconds how long it may take, and how long one waits for it
   * @throws busy() where it was held all that time
   */
  async exclusively<T>(key: string, seconds: number, busy: () => Error, work: () => Promise<T>): Promise<T> {
    const owner = randomUUID();
    const deadline = Date.now() + seconds * 1000;
    while (!(await this.add(key, owner, seconds)))
      // Reading costs no commit.
      do {
        if (Date.now() > deadline) throw busy();
        await sleep(RETRY_MS + Math.random() * RETRY_MS);
      } while ((await this.get(key)) !== undefined);
    try {
      return await work();
    } finally {
      await this.#model.deleteOne({ _id: key, value: JSON.stringify(owner) });
    }
  }
}

const endAfter = (seconds: number) => new Date(Date.now() + seconds * 1000);
