import { telemetryText } from "../../lib/readings/telemetry-text.ts";
import type { TypeSchema } from "../../lib/readings/type-schemas.ts";
import type { Dialect } from "./dialects/dialect.ts";
import type { DeviceKey } from "./edge/edge-policy.ts";
import { ResubmissionRefusedError, TopicUnknownError } from "./errors.ts";

/** A message that was refused once, as it was, or with another payload. */
export interface Resubmission {
  /** Stands for the packet that it came in: resubmitted twice it is one. */
  rejectionId: string;
  topic: string;
  payload: Buffer;
  contentType: string | undefined;
  messageId: string | undefined;
  /** When it came first, microseconds since 1970: the time of readings that bring none. */
  receivedAt: number;
}

/**
 * The JSON text of the TelemetryReceived that the message would have been.
 *
 * @param schema of the device's type, as it is now
 * @param dialects those that may have sent it; the first that knows the topic decodes it
 * @throws TopicUnknownError, ResubmissionRefusedError
 */
export function resubmittedText(
  dialects: readonly Dialect[],
  device: DeviceKey,
  message: Resubmission,
  schema?: Pick<TypeSchema, "refusal">,
): string {
  const { rejectionId, receivedAt, messageId } = message;
  const dialect = dialects.find(({ uplink }) => uplink(message.topic, device.deviceId) === "telemetry");
  if (!dialect) throw new TopicUnknownError(message.topic);
  const decoded = dialect.decodeTelemetry(message);
  if ("rejected" in decoded) throw new ResubmissionRefusedError(decoded.rejected);
  const refused = schema?.refusal(decoded.items, Date.now() * 1000);
  if (refused !== undefined) throw new ResubmissionRefusedError(refused);
  const packet = `resubmitted/${rejectionId}`;
  const sending = { receivedAt, messageId, arrival: () => ({ receivedAt, packet }) };
  return telemetryText(device, sending, decoded.items);
}
