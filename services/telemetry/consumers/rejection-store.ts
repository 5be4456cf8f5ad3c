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
