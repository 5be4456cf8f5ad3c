import type { Model } from "mongoose";
import { EngineUnavailableError } from "../../lib/channels/errors.ts";
import { type DeadLetterDocument, keyOf } from "./dead-letter.model.ts";
import { DeadLetterNotFoundError } from "./errors.ts";
import { type LetterFilter, storeFilter } from "./letter-filter.ts";

/** Left out of lists: it may be large. */
const WITHOUT_CONTENT = { payload: 0, headers: 0 };

export type ListedLetter = Omit<DeadLetterDocument, "payload" | "headers">;
/** Where a page ended: milliseconds of the death, and `_id`. */
export type LetterPlace = [number, string];

/** The dead letters of all tenants; whoever asks names one. */
export class LetterStore {
  readonly model: Model<DeadLetterDocument>;

  constructor(model: Model<DeadLetterDocument>) {
    this.model = model;
  }

  /**
   * Letters that are there stay as they are.
   *
   * @throws EngineUnavailableError whatever is wrong: there is nowhere else to put them, so they wait in their channel.
   */
  async keep(documents: readonly DeadLetterDocument[]): Promise<void> {
    try {
      await this.model.bulkWrite(
        documents.map(({ _id, ...document }) => ({
          updateOne: { filter: { _id }, update: { $setOnInsert: document }, upsert: true },
        })),
        { ordered: false },
      );
    } catch (cause) {
      throw new EngineUnavailableError(`dead letters cannot be stored: ${(cause as Error).message}`, { cause });
    }
  }

  /** The latest first; one more than `limit` where there are more. */
  async latest(
    tenantId: string,
    filter: LetterFilter,
    after: LetterPlace | undefined,
    limit: number,
  ): Promise<ListedLetter[]> {
    const [deadAt, id] = [new Date(after?.[0] ?? 0), after?.[1] ?? ""];
    const behind = after && { $or: [{ deadAt: { $lt: deadAt } }, { deadAt, _id: { $lt: id } }] };
    return this.model
      .find({ $and: [storeFilter(tenantId, filter), behind ?? {}] })
      .select(WITHOUT_CONTENT)
      .sort({ deadAt: -1, _id: -1 })
      .limit(limit + 1)
      .lean<ListedLetter[]>();
  }

  /** The oldest first; one more than `limit` where there are more. */
  async oldest(tenantId: string, filter: LetterFilter, limit: number): Promise<ListedLetter[]> {
    return this.model
      .find(storeFilter(tenantId, filter))
      .select(WITHOUT_CONTENT)
      .sort({ deadAt: 1, _id: 1 })
      .limit(limit + 1)
      .lean<ListedLetter[]>();
  }

  /** Listed letters as a whole, in their order; one that has gone meanwhile is left out. */
  async load(listed: readonly Pick<ListedLetter, "_id">[]): Promise<DeadLetterDocument[]> {
    const found = await this.model.find({ _id: { $in: listed.map(({ _id }) => _id) } }).lean();
    const byId = new Map(found.map((letter) => [letter._id, letter]));
    return listed.flatMap(({ _id }) => byId.get(_id) ?? []);
  }

  /** @throws DeadLetterNotFoundError */
  async find(tenantId: string, letterId: string): Promise<DeadLetterDocument> {
    const letter = await this.model.findById(keyOf(tenantId, letterId)).lean();
    if (!letter) throw new DeadLetterNotFoundError(letterId);
    return letter;
  }

  /** Replaces the payload. @throws DeadLetterNotFoundError where it has gone meanwhile */
  async edit({ _id, letterId }: DeadLetterDocument, payload: string, editedAt: Date): Promise<DeadLetterDocument> {
    const edited = await this.model
      .findOneAndUpdate(
        { _id },
        { $set: { payload, editedAt, complete: true }, $inc: { revision: 1 } },
        { returnDocument: "after" },
      )
      .lean();
    if (!edited) throw new DeadLetterNotFoundError(letterId);
    return edited;
  }

  /** All of a device. */
  async removeOf(tenantId: string, deviceId: string): Promise<void> {
    await this.model.deleteMany({ tenantId, deviceId });
  }

  /** A letter that was edited since it was read stays. */
  async remove(letters: readonly Pick<DeadLetterDocument, "_id" | "revision">[]): Promise<number> {
    if (letters.length === 0) return 0;
    const { deletedCount } = await this.model.bulkWrite(
      letters.map(({ _id, revision }) => ({ deleteOne: { filter: { _id, revision } } })),
      { ordered: false },
    );
    return deletedCount;
  }
}
