import { instantOf } from "../../../lib/instant.ts";
import type { RejectedMessage, TelemetryRejected } from "../../../schemas/telemetry.ts";
import type { RejectionDocument } from "./rejection.model.ts";

export const rejectionKey = (tenantId: string, rejectionId: string): string => `${tenantId}/${rejectionId}`;

/** The fact as it is stored. */
export const documentOf = (rejected: TelemetryRejected): RejectionDocument => {
  const { tenantId, deviceId, rejectionId, receivedAt, topic, reason, payload, contentType, messageId } = rejected;
  return {
    _id: rejectionKey(tenantId, rejectionId),
    ...{ tenantId, deviceId, rejectionId, receivedAt, topic, reason, payload },
    ...(contentType === undefined ? {} : { contentType }),
    ...(messageId === undefined ? {} : { messageId }),
  };
};

/** The fact that what was refused of a device is deleted. */
export const deletionOf = (tenantId: string, deviceId: string): TelemetryRejected => ({
  ...{ tenantId, deviceId, receivedAt: Date.now() * 1000, deleted: true },
  ...{ rejectionId: "", topic: "", reason: "", payload: "" },
});

/** A stored rejection as callers see it. */
export const rejectedMessageOf = (document: RejectionDocument): RejectedMessage => {
  const { rejectionId, deviceId, topic, reason, receivedAt, payload, contentType } = document;
  return {
    ...{ rejectionId, deviceId, topic, reason, receivedAt: instantOf(receivedAt), payload },
    ...(contentType === undefined ? {} : { contentType }),
  };
};

/** What the edge is given to decode again; `payload` takes the place of what the device sent. */
export function resubmissionOf(document: RejectionDocument, payload?: unknown) {
  const { rejectionId, deviceId, topic, receivedAt, contentType, messageId } = document;
  const own = { payload: document.payload, ...(contentType === undefined ? {} : { contentType }) };
  const other = { payload: Buffer.from(JSON.stringify(payload) ?? "").toString("base64") };
  return {
    ...{ rejectionId, deviceId, topic, receivedAt },
    ...(messageId === undefined ? {} : { messageId }),
    ...(payload === undefined ? own : other),
  };
}
