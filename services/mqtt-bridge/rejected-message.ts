import { hash } from "node:crypto";
import type { TelemetryRejected } from "../../schemas/telemetry.ts";
import type { DeviceKey, InboundMessage } from "./edge/edge-policy.ts";

/** Bytes of a rejected payload that are kept; enough to see what is wrong with it. */
export const REJECTED_PAYLOAD_BYTES_MAX = 65_536;

/**
 * What is kept of a payload that means nothing. Its id is a hash of device, topic and bytes: a resend, and the same
 * nonsense again, is one entry.
 */
export function rejectionOf(device: DeviceKey, message: InboundMessage, reason: string): TelemetryRejected {
  const { topic, payload, receivedAt, contentType, messageId } = message;
  const cut = payload.length > REJECTED_PAYLOAD_BYTES_MAX;
  return {
    tenantId: device.tenantId,
    deviceId: device.deviceId,
    rejectionId: hash("sha256", Buffer.concat([Buffer.from(scopeOf(device, topic)), payload]), "base64url").slice(
      0,
      32,
    ),
    receivedAt,
    topic,
    reason: cut ? `${reason} (the first ${REJECTED_PAYLOAD_BYTES_MAX} of ${payload.length} bytes are kept)` : reason,
    payload: payload.subarray(0, REJECTED_PAYLOAD_BYTES_MAX).toString("base64"),
    ...(contentType === undefined ? {} : { contentType }),
    ...(messageId === undefined ? {} : { messageId }),
  };
}

/** Ends in a character that no topic holds, so that topic and payload can't be shifted against each other. */
const scopeOf = ({ tenantId, deviceId }: DeviceKey, topic: string) => `${tenantId}/${deviceId}/${topic}\0`;
