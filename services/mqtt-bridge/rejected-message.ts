import { hash } from "node:crypto";
import type { TelemetryRejected } from "../../schemas/telemetry.ts";
import type { DeviceKey, InboundMessage } from "./edge/edge-policy.ts";

/** Bytes of a rejected payload that are kept; enough to see what is wrong with it. */
export const REJECTED_PAYLOAD_BYTES_MAX = 65_536;

/**
 * What is kept of a message that is not stored as telemetry. Its id is a hash of device, topic, bytes and what names the
 * message, its own id or its arrival: a resend is one entry, an equal message another, since each may be a reading yet.
 */
export function rejectionOf(device: DeviceKey, message: InboundMessage, reason: string): TelemetryRejected {
  const { topic, payload, contentType, messageId } = message;
  const { receivedAt, packet } = message.arrival();
  const name = messageId === undefined ? `packet ${packet}` : `id ${messageId}`;
  const cut = payload.length > REJECTED_PAYLOAD_BYTES_MAX;
  return {
    tenantId: device.tenantId,
    deviceId: device.deviceId,
    rejectionId: hash("sha256", Buffer.concat([scopeOf(device, topic, name), payload]), "base64url").slice(0, 32),
    receivedAt,
    topic,
    reason: cut ? `${reason} (the first ${REJECTED_PAYLOAD_BYTES_MAX} of ${payload.length} bytes are kept)` : reason,
    payload: payload.subarray(0, REJECTED_PAYLOAD_BYTES_MAX).toString("base64"),
    ...(contentType === undefined ? {} : { contentType }),
    ...(messageId === undefined ? {} : { messageId }),
  };
}

/** Separated by a character that neither topic nor id holds, so that no part can be shifted against the next. */
const scopeOf = ({ tenantId, deviceId }: DeviceKey, topic: string, name: string) =>
  Buffer.from(`${tenantId}/${deviceId}/${topic}\0${name}\0`);
