import { instantOf } from "../../lib/instant.ts";
import type { Device, DeviceRegistration } from "../../schemas/device.ts";
import { connectionOf } from "./connection-status.ts";
import { type DeviceDocument, keyOf } from "./device.model.ts";

/** When and by which rules a stored device is looked at. */
export interface View {
  /** Milliseconds since 1970. */
  now: number;
  graceSeconds: number;
}

/** A stored device as callers see it: without tenant and credentials. */
export const deviceOf = (document: DeviceDocument, { now, graceSeconds }: View): Device => {
  const { deviceId, name, type, groups, tags, status = "active", createdAt, connection } = document;
  return {
    id: deviceId,
    ...(name === undefined ? {} : { name }),
    ...(type === undefined ? {} : { type }),
    groups: [...groups],
    tags: Object.fromEntries(tags.map((tag) => [tag.name, tag.value])),
    status,
    createdAt: createdAt.toISOString(),
    ...(connection ? { connection: connectionOf(connection, now, graceSeconds) } : {}),
  };
};

/** As `deviceOf`, with what the device said of itself. */
export function fullDeviceOf(document: DeviceDocument, view: View): Device {
  const { reportedStatus } = document;
  const device = deviceOf(document, view);
  if (!reportedStatus) return device;
  const { text, at } = reportedStatus;
  return { ...device, reportedStatus: { status: JSON.parse(text) as Record<string, unknown>, at: instantOf(at) } };
}

/** What is stored of a registration. */
export function documentOf(
  tenantId: string,
  registration: DeviceRegistration,
  deviceId: string,
  createdAt: Date,
): DeviceDocument {
  const { name, type, groups = [], tags = {} } = registration;
  return {
    _id: keyOf(tenantId, deviceId),
    tenantId,
    deviceId,
    ...(name === undefined ? {} : { name }),
    ...(type === undefined ? {} : { type }),
    groups,
    tags: pairsOf(tags),
    status: "active",
    createdAt,
    credentials: [],
    sessionEpoch: 0,
  };
}

export const pairsOf = (tags: Record<string, string>): DeviceDocument["tags"] =>
  Object.entries(tags).map(([name, value]) => ({ name, value }));
