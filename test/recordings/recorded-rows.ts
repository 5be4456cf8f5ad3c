import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { MetricValues } from "../../schemas/telemetry.ts";

const file = (name: string) => readFileSync(fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url)));

export interface Numbers {
  count: number;
  min: number;
  max: number;
  mean: number;
  sum?: number;
}

/** What those who made the recording counted of it, every row once. */
export interface Truth {
  rows: number;
  devices: number;
  metrics: string[];
  per_device: Record<string, { rows: number; metrics: Record<string, Numbers> }>;
  windows: { device_id: string; start: string; width: "1h" | "24h"; rows: number; metrics: Record<string, Numbers> }[];
  /** `pm25>150`: readings above it. */
  thresholds: Record<string, { total: number; per_device: Record<string, number> }>;
}

/** A line of a recording; a field that is empty is no value. */
export interface Row {
  /** Its number in the file: the reading's own id, so that equal rows are as many readings. */
  id: number;
  ts: string;
  values: MetricValues;
}

export const truthOf = (name: string): Truth => JSON.parse(file(`${name}.truth.json`).toString()) as Truth;

/** Every row of a recording by device. None of the recordings has a quoted field. */
export function rowsOf(name: string): Map<string, Row[]> {
  const [header = "", ...lines] = gunzipSync(file(`${name}.csv.gz`))
    .toString()
    .trimEnd()
    .split("\n");
  const columns = header.split(",");
  const [device, time] = [columns.indexOf("device_id"), columns.indexOf("ts")];
  const rows = new Map<string, Row[]>();
  for (const [id, line] of lines.entries()) {
    const fields = line.split(",");
    const values: MetricValues = {};
    for (const [at, column] of columns.entries())
      if (at !== device && at !== time && fields[at] !== "") values[column] = fieldValue(fields[at] as string);
    const of = fields[device] as string;
    const known = rows.get(of) ?? [];
    known.push({ id, ts: fields[time] as string, values });
    rows.set(of, known);
  }
  return rows;
}

function fieldValue(field: string): number | boolean | string {
  if (field === "true" || field === "false") return field === "true";
  const number = Number(field);
  return Number.isNaN(number) ? field : number;
}

/** Microseconds since 1970 of a recording's instant. */
export function micros(instant: string): number {
  const [, seconds = "", fraction = "", zone = ""] = /^(.{19})(?:\.(\d+))?(.+)$/.exec(instant) ?? [];
  return Date.parse(seconds + zone) * 1000 + Number(fraction.padEnd(6, "0"));
}

/** Count, extremes, mean and sum, added up with what each addition loses. */
export function numbersOf(values: Iterable<number>): Numbers {
  let [count, min, max, sum, lost] = [0, Infinity, -Infinity, 0, 0];
  for (const value of values) {
    count++;
    min = Math.min(min, value);
    max = Math.max(max, value);
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return { count, min, max, mean: (sum + lost) / count, sum: sum + lost };
}
