import type { TelemetryRejected } from "../../../schemas/telemetry.ts";
import type { RefusedReading } from "../reading-store/reading-store.ts";

/**
 * A reading that was acknowledged and cannot be stored, as a rejected message, so that its owner can see it. Its id is
 * the reading's key: the same one again is one entry.
 */
export function rejectionOf({ message, reading, reason }: RefusedReading): TelemetryRejected {
  const { tenantId, deviceId, receivedAt } = message;
  const { ts, seq, values } = reading;
  return {
    tenantId,
    deviceId,
    rejectionId: `${deviceId}-${ts}-${seq}`,
    receivedAt,
    topic: `devices/${deviceId}/telemetry`,
    reason,
    payload: Buffer.from(JSON.stringify({ ts: ts / 1000, values })).toString("base64"),
  };
}
