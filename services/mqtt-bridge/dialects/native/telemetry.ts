import { isUtf8 } from "node:buffer";
import type { Decoded, TelemetryItem, UplinkPayload } from "../dialect.ts";
import { decodeCbor } from "./cbor.ts";
import { metricValues } from "./metric-values.ts";
import { type Fields, isObject, Rejection, reject, shown } from "./rejection.ts";
import { isSenml, senmlItems } from "./senml.ts";
import { timestamp } from "./timestamp.ts";

const ITEMS_MAX = 1000;
const ID_LENGTH_MAX = 128;

/** Telemetry of the native dialect: metrics, `{ts, values, id?}`, an array of either, or SenML; JSON or CBOR. */
export function decodeTelemetry({ payload, contentType }: UplinkPayload): Decoded {
  try {
    switch (mediaType(contentType)) {
      case "":
      case "application/json":
        return { items: itemsOf(parseJson(payload)) };
      case "application/cbor":
        return { items: itemsOf(decodeCbor(payload)) };
      case "application/senml+json":
        return { items: senmlItems(list(parseJson(payload))) };
      default:
        reject("content type", "must be application/json, application/cbor or application/senml+json");
    }
  } catch (error) {
    if (error instanceof Rejection) return { rejected: error.message };
    throw error;
  }
}

/** Without parameters and in lower case (RFC 9110 section 8.3.1). */
const mediaType = (contentType: string | undefined) =>
  contentType ? (contentType.split(";", 1)[0] as string).trim().toLowerCase() : "";

function parseJson(payload: Buffer): unknown {
  // Checked first: decoding would put U+FFFD in place of what is wrong.
  if (!isUtf8(payload)) reject("payload", "must be valid UTF-8");
  try {
    return JSON.parse(payload.toString());
  } catch (error) {
    if (payload.length === 0) reject("payload", "is empty");
    if (payload[0] === 0xef) reject("payload", "must be JSON without a byte order mark");
    return reject("payload", `must be JSON (${shown((error as Error).message)})`);
  }
}

function itemsOf(value: unknown): TelemetryItem[] {
  if (!Array.isArray(value)) return [itemOf(value, "")];
  const items = list(value);
  if (isSenml(items)) return senmlItems(items);
  return items.map((item, index) => itemOf(item, `[${index}]`));
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) reject("payload", "must be an array");
  if (value.length === 0) reject("payload", "must have at least one item");
  if (value.length > ITEMS_MAX) reject("payload", `must have at most ${ITEMS_MAX} items`);
  return value;
}

/** @param at the item's place in its array, such as `[3]`, or nothing. */
function itemOf(item: unknown, at: string): TelemetryItem {
  if (!isObject(item)) reject(at || "payload", "must be an object");
  const dot = at && `${at}.`;
  // Both are needed: either may be the name of a metric.
  if (!Object.hasOwn(item, "ts") || !Object.hasOwn(item, "values"))
    return { ts: undefined, sinceArrival: 0, id: undefined, values: metricValues(item, dot) };
  return timedItem(item, dot);
}

function timedItem(item: Fields, dot: string): TelemetryItem {
  const { ts, values, id } = item;
  for (const name in item)
    if (name !== "ts" && name !== "values" && name !== "id")
      reject(`${dot}${shown(name)}`, "is not known beside ts, values and id");
  if (!isObject(values)) reject(`${dot}values`, "must be an object of metrics");
  return {
    ts: timestamp(ts, `${dot}ts`),
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
