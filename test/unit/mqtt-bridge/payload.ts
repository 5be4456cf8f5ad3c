import assert from "node:assert/strict";
import type { TelemetryItem } from "../../../services/mqtt-bridge/dialects/dialect.ts";
import { native } from "../../../services/mqtt-bridge/dialects/native/native.ts";

const bytesOf = (payload: unknown): Buffer => {
  if (Buffer.isBuffer(payload)) return payload;
  return Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
};

/** What a payload means: JSON text, bytes, or a value that is put into JSON. */
export function items(payload: unknown, contentType?: string): TelemetryItem[] {
  const decoded = native.decodeTelemetry({ payload: bytesOf(payload), contentType });
  assert.ok("items" in decoded, `was rejected: ${"rejected" in decoded && decoded.rejected}`);
  return decoded.items;
}

/** Why it means nothing. */
export function rejection(payload: unknown, contentType?: string): string {
  const decoded = native.decodeTelemetry({ payload: bytesOf(payload), contentType });
  assert.ok("rejected" in decoded, `was taken for ${JSON.stringify(decoded)}`);
  return decoded.rejected;
}

/** The values of its items, as plain objects. */
export const valuesOf = (payload: unknown, contentType?: string): object[] =>
  items(payload, contentType).map(({ values }) => ({ ...values }));
