import type { DeviceKey } from "../edge-policy.ts";

/**
 * Behind an external broker every topic of a device begins with its tenant: `{tenant}/devices/{id}/…`. What follows is
 * the device's topic as dialects know it.
 */
export const outerTopic = ({ tenantId }: DeviceKey, topic: string): string => `${tenantId}/${topic}`;

/** Whom a message at the broker is from, as its topic says: the broker's rules let nobody else publish there. */
export interface Address {
  readonly tenantId: string;
  readonly deviceId: string;
  /** As dialects know it. */
  readonly topic: string;
}

const ADDRESS = /^([^/]+)\/(devices\/([^/]+)\/.+)$/s;

export function addressOf(outer: string): Address | undefined {
  const [, tenantId, topic, deviceId] = ADDRESS.exec(outer) ?? [];
  return tenantId !== undefined && topic !== undefined && deviceId !== undefined
    ? { tenantId, deviceId, topic }
    : undefined;
}

/** What devices publish to, below `{tenant}/devices/{id}/`. */
export const UPLINKS = ["telemetry", "status", "heartbeat"] as const;
/** What they subscribe to. */
export const DOWNLINKS = ["commands/#", "config", "alerts"] as const;
