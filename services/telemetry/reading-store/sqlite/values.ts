import type { SQLInputValue, SQLOutputValue } from "node:sqlite";
import type { MetricValue } from "../../../../schemas/telemetry.ts";

/** Columns of the first metrics of a device; none has a type, so that SQLite keeps each value as it is. */
export const COLUMNS = Array.from({ length: 16 }, (_, slot) => `v${slot}`);

/** SQLite has no booleans: these two BLOBs are told apart from every number and text. */
const TRUE = new Uint8Array([1]);
const FALSE = new Uint8Array([0]);

/** What a column holds; undefined for what is no metric value (NaN and the infinities, which JSON cannot say, too). */
export function columnValue(value: unknown): SQLInputValue | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value === "boolean") return value ? TRUE : FALSE;
  return typeof value === "string" ? value : undefined;
}

/** The metric value of what a column holds; undefined where the reading has none. */
export function metricValue(stored: SQLOutputValue | undefined): MetricValue | undefined {
  if (stored === null || stored === undefined) return undefined;
  if (stored instanceof Uint8Array) return stored[0] === 1;
  return stored as MetricValue; // Nothing else is ever written.
}

/**
 * One member of the JSON object in `more`. The key is the slot, never the metric's name: a path into it holds digits
 * only. Numbers are written so that SQLite reads a REAL, which keeps `-0` and never overflows in a sum.
 */
export function moreMember(slot: number, value: MetricValue): string {
  if (typeof value === "string") return `"${slot}":${JSON.stringify(value.toWellFormed())}`;
  if (typeof value === "boolean") return `"${slot}":${value}`;
  const text = Object.is(value, -0) ? "-0" : String(value);
  return `"${slot}":${text}${/[.e]/.test(text) ? "" : ".0"}`;
}

/** SQL expression of the value in a slot, the same for a column and for `more`; NULL where the reading has none. */
export function valueSql(slot: number): string {
  if (slot < COLUMNS.length) return `v${slot}`;
  const path = `'$."${slot}"'`;
  return `CASE json_type(more, ${path}) WHEN 'true' THEN x'01' WHEN 'false' THEN x'00' ELSE json_extract(more, ${path}) END`;
}

/** SQL condition: a column holds a text or a boolean. SQLite's order is NULL, numbers, text, BLOBs. */
export const otherSql = (slot: number): string => `v${slot} >= ''`;

/** SQL expression of the value as a number: booleans as 0 and 1, NULL for text. */
export function numberSql(slot: number): string {
  if (slot < COLUMNS.length)
    return `CASE WHEN v${slot} < '' THEN v${slot} WHEN v${slot} >= x'' THEN v${slot} = x'01' END`;
  const path = `'$."${slot}"'`;
  return `CASE json_type(more, ${path}) WHEN 'real' THEN json_extract(more, ${path}) WHEN 'true' THEN 1 WHEN 'false' THEN 0 END`;
}

/** SQL condition: the reading has a value in one of the slots. Nested, because SQLite limits the depth of an OR. */
export function anyValueSql(slots: readonly number[]): string {
  if (slots.length <= 1) return slots.length === 0 ? "FALSE" : `${valueSql(slots[0] as number)} IS NOT NULL`;
  const half = slots.length >> 1;
  return `(${anyValueSql(slots.slice(0, half))} OR ${anyValueSql(slots.slice(half))})`;
}
