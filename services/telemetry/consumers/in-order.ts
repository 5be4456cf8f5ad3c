import type { TelemetryReceived } from "../../../schemas/telemetry.ts";
import type { DeviceRange } from "../reading-store/reading-store.ts";

export interface InOrder {
  write(messages: readonly TelemetryReceived[]): Promise<void>;
  remove(range: DeviceRange): Promise<void>;
}

/** A deletion takes what its channel had before it, and leaves what came behind. */
export async function inOrder(batch: readonly TelemetryReceived[], { write, remove }: InOrder): Promise<void> {
  let begin = 0;
  for (let place = 0; place < batch.length; place++) {
    const { tenantId, deviceId, deleted } = batch[place] as TelemetryReceived;
    if (!deleted) continue;
    if (place > begin) await write(batch.slice(begin, place));
    await remove({ tenantId, deviceId, from: deleted.from, to: deleted.to });
    begin = place + 1;
  }
  if (begin === 0) await write(batch);
  else if (begin < batch.length) await write(batch.slice(begin));
}
