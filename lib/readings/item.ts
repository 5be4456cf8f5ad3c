import type { MetricValues } from "../../schemas/telemetry.ts";
import { metricValues } from "./metric-values.ts";
import { type Fields, isObject, reject, shown } from "./rejection.ts";
import { timestamp } from "./timestamp.ts";

/** Readings of one message at most. */
export const ITEMS_MAX = 1000;
const ID_LENGTH_MAX = 128;

/** One reading as its sender gave it. */
export interface TelemetryItem {
  /** Microseconds since 1970; undefined where the sender gave no time of its own. */
  ts: number | undefined;
  /** Without a time of its own: microseconds from the arrival, 0 or (a relative time) what the sender said. */
  sinceArrival: number;
  /** The sender's own id of the reading. */
  id: string | number | undefined;
  values: MetricValues;
}

/**
 * `{ts?, values, id?}` as a reading; nothing else may be beside them.
 *
 * @param dot what a field's name is prefixed with in a reason, such as `[3].`
 * @throws Rejection
 */
export function itemOf(item: Fields, dot: string): TelemetryItem {
  const { ts, values, id } = item;
  for (const name in item)
    if (name !== "ts" && name !== "values" && name !== "id")
      reject(`${dot}${shown(name)}`, "is not known beside ts, values and id");
  if (!isObject(values)) reject(`${dot}values`, "must be an object of metrics");
  return {
    ts: Object.hasOwn(item, "ts") ? timestamp(ts, `${dot}ts`) : undefined,
    sinceArrival: 0,
    id: Object.hasOwn(item, "id") ? checkedId(id, `${dot}id`) : undefined,
    values: metricValues(values, `${dot}values.`),
  };
}

function checkedId(id: unknown, field: string): string | number {
  if (Number.isSafeInteger(id)) return id as number;
  if (typeof id === "string" && id.length > 0 && id.length <= ID_LENGTH_MAX && id.isWellFormed()) return id;
  return reject(field, `must be an integer or text of 1 to ${ID_LENGTH_MAX} characters`);
}
