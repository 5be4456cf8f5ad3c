import type { Model } from "mongoose";
import { microsOf } from "../../../lib/instant.ts";
import { RejectedMessageNotFoundError } from "../errors.ts";
import type { RejectionDocument } from "./rejection.model.ts";
import { rejectionKey } from "./rejection.ts";

/** What callers may ask for. */
export interface RejectionFilter {
  deviceId?: string | undefined;
  reason?: string | undefined;
  /** RFC 3339. */
  before?: string | undefined;
}

/** Those that are there stay as they are. */
export async function keepRejections(
  rejections: Model<RejectionDocument>,
  documents: readonly RejectionDocument[],
): Promise<void> {
  await rejections.bulkWrite(
    documents.map(({ _id, ...document }) => ({
      updateOne: { filter: { _id }, update: { $setOnInsert: document }, upsert: true },
    })),
    { ordered: false },
  );
}

/** Deletes the oldest beyond `max`. */
export async function keepNewest(
  rejections: Model<RejectionDocument>,
  whose: { tenantId: string; deviceId?: string },
  max: number,
): Promise<void> {
  const excess = (await rejections.countDocuments(whose)) - max;
  if (excess <= 0) return;
  const oldest = await rejections.find(whose, { _id: 1 }).sort({ receivedAt: 1, _id: 1 }).limit(excess).lean();
  await rejections.deleteMany({ _id: { $in: oldest.map(({ _id }) => _id) } });
}

/** @throws RejectedMessageNotFoundError */
export async function findRejection(
  rejections: Model<RejectionDocument>,
  tenantId: string,
  rejectionId: string,
): Promise<RejectionDocument> {
  const found = await rejections.findById(rejectionKey(tenantId, rejectionId)).lean();
  if (!found) throw new RejectedMessageNotFoundError(rejectionId);
  return found;
}

/** The oldest first; one more than `limit` where there are more. */
export function oldestRejections(
  rejections: Model<RejectionDocument>,
  tenantId: string,
  { deviceId, reason, before }: RejectionFilter,
  limit: number,
): Promise<RejectionDocument[]> {
  return rejections
    .find({
      tenantId,
      ...(deviceId === undefined ? {} : { deviceId }),
      ...(reason === undefined ? {} : { reason }),
      ...(before === undefined ? {} : { receivedAt: { $lt: microsOf(before) } }),
    })
    .sort({ receivedAt: 1, _id: 1 })
    .limit(limit + 1)
    .lean<RejectionDocument[]>()
    .exec();
}
