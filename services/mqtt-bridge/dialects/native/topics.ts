import { DEFAULT_TENANT } from "../../../../lib/meta.ts";
import { DeviceId, TenantId } from "../../../../schemas/common.ts";
import type { DeviceKey } from "../../edge/edge-policy.ts";
import type { UplinkKind } from "../dialect.ts";

/** How a device may begin the name of any topic of its own, whatever its id. */
const ME = "devices/me/";
/** What a device may publish to, below `devices/{id}/`. */
const UPLINKS: ReadonlyMap<string, UplinkKind> = new Map([
  ["telemetry", "telemetry"],
  ["status", "status"],
  ["heartbeat", "heartbeat"],
]);
/** What a device may subscribe to, below `devices/{id}/`. */
const SUBSCRIPTIONS: ReadonlySet<string> = new Set(["commands/#", "config", "alerts"]);

/** The device of a user name: `deviceId` (tenant `default`) or `tenant/deviceId`; undefined where it is neither. */
export function deviceOfUsername(username: string | undefined): DeviceKey | undefined {
  if (username === undefined) return undefined;
  const slash = username.indexOf("/");
  const tenantId = slash < 0 ? DEFAULT_TENANT : username.slice(0, slash);
  const deviceId = username.slice(slash + 1);
  const known = DeviceId.safeParse(deviceId).success && TenantId.safeParse(tenantId).success;
  return known ? { tenantId, deviceId } : undefined;
}

/** What follows `devices/{id}/` or `devices/me/`; undefined where the topic is another's. */
function own(topic: string, deviceId: string): string | undefined {
  if (topic.startsWith(ME)) return topic.slice(ME.length);
  const prefix = `devices/${deviceId}/`;
  return topic.startsWith(prefix) ? topic.slice(prefix.length) : undefined;
}

export const uplink = (topic: string, deviceId: string): UplinkKind | undefined =>
  UPLINKS.get(own(topic, deviceId) ?? "");

export const maySubscribe = (filter: string, deviceId: string): boolean =>
  SUBSCRIPTIONS.has(own(filter, deviceId) ?? "");

/** `me` as the device's own id. */
export const canonical = (filter: string, deviceId: string): string =>
  filter.startsWith(ME) ? `devices/${deviceId}/${filter.slice(ME.length)}` : filter;

export const configTopic = (deviceId: string): string => `devices/${deviceId}/config`;
