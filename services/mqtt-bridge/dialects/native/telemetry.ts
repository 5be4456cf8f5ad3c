import { isUtf8 } from "node:buffer";
import { ITEMS_MAX, itemOf as readingOf } from "../../../../lib/readings/item.ts";
import { metricValues } from "../../../../lib/readings/metric-values.ts";
import { isObject, Rejection, reject, shown } from "../../../../lib/readings/rejection.ts";
import type { Decoded, TelemetryItem, UplinkPayload } from "../dialect.ts";
import { decodeCbor } from "./cbor.ts";
import { isSenml, senmlItems } from "./senml.ts";

/** Telemetry of the native dialect: metrics, `{ts?, values, id?}`, an array of either, or SenML; JSON or CBOR. */
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
  // Either may be the name of a metric, which no object can be the value of.
  if (!Object.hasOwn(item, "values") || !(Object.hasOwn(item, "ts") || isObject(item["values"])))
    return { ts: undefined, sinceArrival: 0, id: undefined, values: metricValues(item, dot) };
  return readingOf(item, dot);
}
