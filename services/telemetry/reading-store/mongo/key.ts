import type { mongo } from "mongoose";
import type { MetricValue } from "../../../../schemas/telemetry.ts";
import type { DeviceKey, RangeQuery } from "../reading-store.ts";

/** Tenant and device; the order of the members is the order of the index. */
export interface DeviceId {
  t: string;
  d: string;
}

/** The reading's key. Both numbers are integers that a double holds, which is how the driver writes them. */
export interface ReadingId extends DeviceId {
  /** Microseconds since 1970. */
  ts: number;
  seq: number;
}

export interface ReadingDocument {
  _id: ReadingId;
  /** Values by slot (`m0`, `m1`, …): a metric's name may hold what a field's name may not. */
  v: Record<string, MetricValue>;
}

export type Readings = mongo.Collection<ReadingDocument>;

export const deviceId = ({ tenantId, deviceId }: DeviceKey): DeviceId => ({ t: tenantId, d: deviceId });

/** `+ 0` makes 0 of -0. */
export const readingId = (device: DeviceKey, ts: number, seq: number): ReadingId => ({
  ...deviceId(device),
  ts: ts + 0,
  seq: seq + 0,
});

type Place = Pick<RangeQuery, "tenantId" | "deviceId" | "from" | "to"> & Partial<Pick<RangeQuery, "after" | "order">>;

/**
 * The readings of [from, to) behind `after`: one stretch of the index of `_id`. Documents are compared member by member,
 * and one that ends earlier is less: `{t, d, ts}` lies before every reading of that instant.
 */
export function within(place: Place): { _id: mongo.Condition<ReadingId> } {
  const { from, to, after, order = "asc" } = place;
  const device = deviceId(place);
  // Cast: the beginnings of keys, which the driver's types do not know.
  const lower = (from === undefined ? device : { ...device, ts: from }) as ReadingId;
  const upper = { ...device, ts: to ?? Number.POSITIVE_INFINITY } as ReadingId;
  const behind = after && readingId(place, after.ts, after.seq);
  const _id =
    behind && order === "asc" && behind.ts >= (from ?? behind.ts)
      ? { $gt: behind, $lt: upper }
      : behind && order === "desc" && behind.ts < (to ?? Number.POSITIVE_INFINITY)
        ? { $gte: lower, $lt: behind }
        : { $gte: lower, $lt: upper };
  return { _id };
}

/** Along the index. */
export const along = (order: "asc" | "desc") => ({ _id: order === "asc" ? 1 : -1 }) as const;
