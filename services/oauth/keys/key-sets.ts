import type { Model } from "mongoose";
import { isDuplicate } from "../storage/duplicate.ts";
import type { KeyGenerationDocument } from "./key-generation.model.ts";
import { type ScheduleOptions, scheduleOf } from "./key-schedule.ts";
import { seal, unseal } from "./seal.ts";
import { generateSigningKeys, type KeySet, type SigningJwk } from "./signing-keys.ts";

interface Loaded {
  number: number;
  signsFrom: number;
  keys: SigningJwk[];
}

const contextOf = (number: number) => `oauth-keys/${number}`;

/** The signing keys of all nodes, in the document store. */
export class KeySets {
  readonly #model: Model<KeyGenerationDocument>;
  readonly #key: Buffer;
  readonly #schedule: ScheduleOptions;

  /** @param key 32 bytes, by which private keys are sealed */
  constructor(model: Model<KeyGenerationDocument>, key: Buffer, schedule: ScheduleOptions) {
    this.#model = model;
    this.#key = key;
    this.#schedule = schedule;
  }

  /**
   * The keys of now, the signing ones first; makes the first generation, and the next one when it is time.
   *
   * @throws Error where they are sealed by another key
   */
  async load(now = Date.now()): Promise<KeySet> {
    const generations = await this.#generations();
    const { current, next, former, ended, due, changesAt } = scheduleOf(generations, now, this.#schedule);
    if (!current) return this.#make(1, now).then(() => this.load(Math.max(now, Date.now())));
    if (due) {
      await this.#make(current.number + 1, now + this.#schedule.publishedAheadMs);
      return this.load(now);
    }
    if (ended.length > 0) await this.#model.deleteMany({ _id: { $in: ended.map(({ number }) => number) } });
    return { keys: [current, ...(next ? [next] : []), ...former].flatMap(({ keys }) => keys), changesAt };
  }

  /** Publishes the next generation now, where there is none yet. @returns when it begins to sign */
  async rotate(now = Date.now()): Promise<Date> {
    await this.load(now);
    const { current, next } = scheduleOf(await this.#generations(), now, this.#schedule);
    if (next) return new Date(next.signsFrom);
    const signsFrom = now + this.#schedule.publishedAheadMs;
    await this.#make((current?.number ?? 0) + 1, signsFrom);
    return new Date(signsFrom);
  }

  async #generations(): Promise<Loaded[]> {
    const stored = await this.#model.find({}).sort({ _id: 1 }).lean<KeyGenerationDocument[]>();
    return stored.map(({ _id: number, sealed, signsFrom }) => ({
      number,
      signsFrom: signsFrom.getTime(),
      keys: this.#open(number, sealed),
    }));
  }

  #open(number: number, sealed: string): SigningJwk[] {
    try {
      return JSON.parse(unseal(this.#key, contextOf(number), sealed)) as SigningJwk[];
    } catch (cause) {
      throw new Error("the signing keys are sealed by another key: OAUTH_KEY, or the key file, is not that of before", {
        cause,
      });
    }
  }

  /** Where another node was first, its keys hold. */
  async #make(number: number, signsFrom: number): Promise<void> {
    const keys = await generateSigningKeys(number);
    const sealed = seal(this.#key, contextOf(number), JSON.stringify(keys));
    try {
      await this.#model.create({ _id: number, sealed, signsFrom: new Date(signsFrom) });
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
  }
}
