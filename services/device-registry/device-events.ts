import type { Model } from "mongoose";
import type { DeviceEvent } from "../../schemas/device-events.ts";
import { connectionAfter } from "./connection-status.ts";
import { type DeviceDocument, keyOf } from "./device.model.ts";

/** JSON text of a device's own status that is kept. */
export const REPORTED_STATUS_BYTES_MAX = 65_536;

type Followed = Pick<DeviceDocument, "connection" | "reportedStatus">;

/**
 * What events, in their order, make of a device. Events that come again change nothing, and neither does one of an
 * epoch that this device never had: it is about a device of the same id that was deleted.
 */
export function followed(device: Followed & { sessionEpoch: number }, events: readonly DeviceEvent[]): Followed {
  let { connection, reportedStatus } = device;
  for (const event of events) {
    if (event.sessionEpoch > device.sessionEpoch) continue;
    const late = connection && event.sessionEpoch < connection.sessionEpoch;
    connection = connectionAfter(connection, event);
    if (late || event.kind !== "status" || (reportedStatus && event.at < reportedStatus.at)) continue;
    const text = JSON.stringify(event.status);
    if (Buffer.byteLength(text) <= REPORTED_STATUS_BYTES_MAX) reportedStatus = { text, at: event.at };
  }
  return { ...(connection ? { connection } : {}), ...(reportedStatus ? { reportedStatus } : {}) };
}

/** Brings a batch of events into the devices: one read, one write. */
export async function followEvents(devices: Model<DeviceDocument>, batch: readonly DeviceEvent[]): Promise<void> {
  const events = Map.groupBy(batch, ({ tenantId, deviceId }) => keyOf(tenantId, deviceId));
  const known = await devices.find({ _id: { $in: [...events.keys()] } }).lean<DeviceDocument[]>();
  const updates = known.flatMap((device) => {
    const { _id, createdAt, connection, reportedStatus } = device;
    const after = followed(device, events.get(_id) ?? []);
    if (JSON.stringify(after) === JSON.stringify({ connection, reportedStatus })) return [];
    // Not one that was deleted and made anew meanwhile.
    return [{ updateOne: { filter: { _id, createdAt }, update: { $set: after } } }];
  });
  if (updates.length > 0) await devices.bulkWrite(updates, { ordered: false });
}
