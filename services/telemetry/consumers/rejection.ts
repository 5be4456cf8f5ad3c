import { instantOf } from "../../../lib/instant.ts";
import type { RejectedMessage, TelemetryRejected } from "../../../schemas/telemetry.ts";
import type { RejectionDocument } from "./rejection.model.ts";

/** The fact as it is stored. */
export const documentOf = (rejected: TelemetryRejected): RejectionDocument => {
  const { tenantId, deviceId, rejectionId, receivedAt, topic, reason, payload } = rejected;
  return { _id: `${tenantId}/${rejectionId}`, tenantId, deviceId, rejectionId, receivedAt, topic, reason, payload };
};

/** A stored rejection as callers see it. */
export const rejectedMessageOf = (document: RejectionDocument): RejectedMessage => {
  const { rejectionId, deviceId, topic, reason, receivedAt, payload } = document;
  return { rejectionId, deviceId, topic, reason, receivedAt: instantOf(receivedAt), payload };
};
