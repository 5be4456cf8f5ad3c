import type { DeviceFilter } from "../../schemas/device-registry.ts";
import { connectionOf } from "./connection-status.ts";
import type { DeviceDocument } from "./device.model.ts";
import type { View } from "./device.ts";

/** Whether a device is in a list. `type` is left to the store, which has an index for it. */
export function deviceFilter(filter: DeviceFilter, { now, graceSeconds }: View): (device: DeviceDocument) => boolean {
  const { group, status, connected } = filter;
  const tags = filter.tag === undefined ? [] : [filter.tag].flat();
  const q = filter.q?.toLowerCase();
  return (device) =>
    (group === undefined || device.groups.includes(group)) &&
    // Compared as a whole: a tag's name may hold a colon itself.
    tags.every((tag) => device.tags.some(({ name, value }) => `${name}:${value}` === tag)) &&
    (status === undefined || (device.status ?? "active") === status) &&
    (q === undefined || device.deviceId.toLowerCase().includes(q) || !!device.name?.toLowerCase().includes(q)) &&
    (connected === undefined || isConnected(device) === connected);

  /** Null, where nobody tells, is neither. */
  function isConnected({ connection }: DeviceDocument): boolean | null {
    return connection === undefined ? false : connectionOf(connection, now, graceSeconds).connected;
  }
}

/** Without a filter a page is exactly what is read for it. */
export const isSelective = (filter: DeviceFilter): boolean =>
  Object.entries(filter).some(([name, value]) => name !== "type" && value !== undefined);
