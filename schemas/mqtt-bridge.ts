import { z } from "zod";
import { defineContract } from "../lib/contract.ts";
import { DeviceId } from "./common.ts";

/** The MQTT edge: talks MQTT outwards. */
export const mqttBridge = defineContract({
  name: "mqtt-bridge",
  actions: {
    /** For rejected messages: decodes one as if it came now, and stores it. Not on REST. */
    resubmit: {
      summary: "Decode a rejected message again",
      params: z.strictObject({
        deviceId: DeviceId,
        rejectionId: z.string().min(1).max(64),
        topic: z.string().max(65_535),
        /** The bytes, base64. */
        payload: z.base64().max(400_000_000),
        contentType: z.string().max(65_535).optional(),
        messageId: z.string().max(65_535).optional(),
        /** Microseconds since 1970. */
        receivedAt: z.int(),
      }),
      result: z.void(),
    },
  },
});
