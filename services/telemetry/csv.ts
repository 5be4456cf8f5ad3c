import type { MetricValue } from "../../schemas/telemetry.ts";

const LINE_END = "\r\n";

/** One line of CSV (RFC 4180). Text is always quoted, so that "1" is not 1 and "" is not nothing; nothing is empty. */
export const csvLine = (fields: readonly (MetricValue | undefined)[]): string =>
  fields.map(csvField).join(",") + LINE_END;

function csvField(value: MetricValue | undefined): string {
  if (value === undefined) return "";
  return typeof value === "string" ? `"${value.replaceAll('"', '""')}"` : String(value);
}

const PLAIN = /^[^",\r\n]*$/;

/** The header line; a name is quoted where it must be. */
export const csvHeader = (names: readonly string[]): string =>
  names.map((name) => (PLAIN.test(name) ? name : csvField(name))).join(",") + LINE_END;
