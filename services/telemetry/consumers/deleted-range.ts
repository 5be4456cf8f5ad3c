import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import type { DeviceRange } from "../reading-store/reading-store.ts";

/** What a deletion on the channel deletes. */
export const deletedRange = ({ tenantId, deviceId, deleted }: TelemetryReceived): DeviceRange => ({
  ...{ tenantId, deviceId, from: deleted?.from, to: deleted?.to },
});
