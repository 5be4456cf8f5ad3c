import { checkName, checkValue, metricValues } from "../../../../lib/readings/metric-values.ts";
import { type Fields, isObject, reject, shown } from "../../../../lib/readings/rejection.ts";
import { inRange } from "../../../../lib/readings/timestamp.ts";
import type { MetricValue, MetricValues } from "../../../../schemas/telemetry.ts";
import type { TelemetryItem } from "../dialect.ts";

/** Times below it are relative to now (RFC 8428 section 4.5.3). */
const ABSOLUTE_FROM = 2 ** 28;
/** The version of RFC 8428; a pack of a higher one may mean anything (section 4.4). */
const VERSION = 10;
const VALUES = ["v", "vs", "vb"] as const;
/** Fields that change what a record means and that a metric cannot hold. */
const UNSUPPORTED = ["vd", "s", "bs"] as const;

/** Base values, which hold until a record sets them anew (section 4.1). */
interface Base {
  name: string;
  time: number;
  value: number;
}

/** Whether an array is SenML without being called so: its first record has a name, and one of them a value. */
export function isSenml(records: unknown[]): boolean {
  const [first] = records;
  if (!isObject(first) || (typeof first["n"] !== "string" && typeof first["bn"] !== "string")) return false;
  return records.some((record) => isObject(record) && VALUES.some((field) => Object.hasOwn(record, field)));
}

/**
 * A SenML pack (RFC 8428) as readings: neighbouring records of one time are one reading, until a name repeats. Units
 * (`u`, `bu`) and update times (`ut`) are not kept.
 *
 * @throws Rejection
 */
export function senmlItems(records: unknown[]): TelemetryItem[] {
  const base: Base = { name: "", time: 0, value: 0 };
  const items: TelemetryItem[] = [];
  let open: { time: number; values: MetricValues; names: Set<string> } | undefined;
  for (const [index, record] of records.entries()) {
    const at = `[${index}]`;
    if (!isObject(record)) reject(at, "must be an object");
    takeBase(record, base, `${at}.`);
    const value = ownValue(record, base, at);
    if (value === undefined) continue;
    const time = base.time + number(record, "t", 0, `${at}.`);
    const name = base.name + text(record, "n", `${at}.`);
    checkName(name, `${at}.`);
    if (open === undefined || open.time !== time || open.names.has(name)) {
      open = { time, values: {}, names: new Set() };
      items.push({ ...instant(time, `${at}.t`), id: undefined, values: open.values });
    }
    open.names.add(name);
    open.values[name] = value;
  }
  if (items.length === 0) reject("payload", "must have at least one value");
  for (const { values } of items) metricValues(values, "");
  return items;
}

function takeBase(record: Fields, base: Base, at: string): void {
  for (const field in record)
    if (field.endsWith("_") || (UNSUPPORTED as readonly string[]).includes(field))
      reject(at + shown(field), "this SenML field is not supported");
  if (number(record, "bver", VERSION, at) > VERSION) reject(`${at}bver`, `must be at most ${VERSION}`);
  if (Object.hasOwn(record, "bn")) base.name = text(record, "bn", at);
  base.time = number(record, "bt", base.time, at);
  base.value = number(record, "bv", base.value, at);
}

/** The record's one value; undefined where it only sets base values. */
function ownValue(record: Fields, base: Base, at: string): MetricValue | undefined {
  const given = VALUES.filter((field) => Object.hasOwn(record, field));
  const [field] = given;
  if (given.length > 1) reject(at, "must have one of v, vs and vb");
  if (field === undefined) {
    if (Object.hasOwn(record, "n")) reject(at, "must have one of v, vs and vb");
    return undefined;
  }
  const value = record[field];
  const expected = { v: "number", vs: "string", vb: "boolean" }[field];
  if (typeof value !== expected) reject(`${at}.${field}`, `must be a ${expected}`);
  checkValue(value, field, `${at}.`);
  if (field !== "v") return value as string | boolean;
  const sum = (value as number) + base.value;
  checkValue(sum, field, `${at}.`);
  return sum;
}

function instant(seconds: number, field: string): Pick<TelemetryItem, "ts" | "sinceArrival"> {
  const micros = Math.round(seconds * 1e6);
  if (seconds >= ABSOLUTE_FROM) return { ts: inRange(micros, field), sinceArrival: 0 };
  if (seconds <= -ABSOLUTE_FROM) reject(field, `a relative time must be later than -${ABSOLUTE_FROM} s`);
  return { ts: undefined, sinceArrival: micros };
}

function number(record: Fields, field: string, fallback: number, at: string): number {
  if (!Object.hasOwn(record, field)) return fallback;
  const value = record[field];
  if (typeof value !== "number" || !Number.isFinite(value)) return reject(at + field, "must be a finite number");
  return value;
}

function text(record: Fields, field: string, at: string): string {
  if (!Object.hasOwn(record, field)) return "";
  const value = record[field];
  return typeof value === "string" ? value : reject(at + field, "must be text");
}
