import mongodb from "mongodb";
import { type BsonDocument, makeBinary, type Value } from "./bson-value.ts";

const { Binary, ObjectId } = mongodb;

/**
 * Scalars that JSON lacks are strings with a tag, so that one `json_extract` serves equality and range. The letters
 * follow BSON's order of types, and each encoding keeps the order inside its type (except binaries):
 * `~n` NaN · `~b` binary · `~o` ObjectId · `~s` a string that itself begins with `~` · `~t` time.
 */
export const TAG = "~";
const TAG_CODE = TAG.charCodeAt(0);

const ISO_MIN = Date.parse("0000-01-01T00:00:00.000Z");
const ISO_MAX = Date.parse("9999-12-31T23:59:59.999Z");
const EPOCH_SHIFT = 8.64e15;

/** The scalar as SQLite's `json_extract` gives it back; undefined for documents and arrays. */
export function encodeScalar(value: Value): string | number | null | undefined {
  if (value === null) return null;
  switch (typeof value) {
    case "string":
      return value.charCodeAt(0) === TAG_CODE ? `~s${value}` : value;
    case "number":
      return Number.isNaN(value) ? "~n" : value;
    case "boolean":
      return value ? 1 : 0;
    default:
      if (value instanceof Date) return `~t${encodeTime(value.getTime())}`;
      if (value instanceof ObjectId) return `~o${value.toHexString()}`;
      if (value instanceof Binary) return `~b${value.sub_type}:${Buffer.from(value.value()).toString("base64")}`;
      return undefined;
  }
}

/** ISO 8601, sortable as text; years beyond four digits are written so that they sort before or after all others. */
function encodeTime(time: number): string {
  if (time >= ISO_MIN && time <= ISO_MAX) return new Date(time).toISOString();
  return (time < ISO_MIN ? "!" : ":") + String(time + EPOCH_SHIFT).padStart(17, "0");
}

function decodeTime(text: string): Date {
  const first = text[0];
  return first === "!" || first === ":" ? new Date(Number(text.slice(1)) - EPOCH_SHIFT) : new Date(text);
}

/** The JSON text of a row. */
export function encodeRow(value: Value): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.charCodeAt(0) === TAG_CODE ? `~s${value}` : value);
    case "number":
      return encodeNumber(value);
    case "boolean":
      return value ? "true" : "false";
  }
  if (Array.isArray(value)) return `[${value.map(encodeRow).join(",")}]`;
  const scalar = encodeScalar(value);
  if (scalar !== undefined) return JSON.stringify(scalar);
  const document = value as BsonDocument; // What is neither scalar nor array.
  let text = "";
  for (const key of Object.keys(document))
    text += `${text === "" ? "" : ","}${JSON.stringify(key)}:${encodeRow(document[key] as Value)}`;
  return `{${text}}`;
}

function encodeNumber(value: number): string {
  if (Number.isFinite(value)) {
    if (Object.is(value, -0)) return "-0.0";
    // Written out, SQLite would read these as 64-bit integers that differ from the double.
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : String(value);
  }
  if (Number.isNaN(value)) return '"~n"';
  // Valid JSON, and infinite for JSON.parse and SQLite alike.
  return value > 0 ? "9e999" : "-9e999";
}

/** A row's text back as the document that was stored. */
export function decodeRow(text: string): BsonDocument {
  return revive(JSON.parse(text)) as BsonDocument; // Only documents are stored as rows.
}

/** Revives in place what `JSON.parse` has just made. */
function revive(value: unknown): Value {
  if (typeof value === "string") return value.charCodeAt(0) === TAG_CODE ? reviveTagged(value) : value;
  if (typeof value !== "object" || value === null) return value as Value; // number, boolean, null
  const fields = value as Record<string, unknown>;
  for (const key in fields) {
    const field = fields[key];
    if (typeof field === "object" || (typeof field === "string" && field.charCodeAt(0) === TAG_CODE))
      fields[key] = revive(field);
  }
  return value as Value;
}

function reviveTagged(text: string): Value {
  const rest = text.slice(2);
  switch (text[1]) {
    case "s":
      return rest;
    case "t":
      return decodeTime(rest);
    case "o":
      return ObjectId.createFromHexString(rest);
    case "n":
      return Number.NaN;
    case "b": {
      const colon = rest.indexOf(":");
      return makeBinary(Buffer.from(rest.slice(colon + 1), "base64"), Number(rest.slice(0, colon)));
    }
    default:
      throw new Error(`the row holds the unknown tag ${JSON.stringify(text.slice(0, 2))}`);
  }
}

/** The value of the column that makes `_id` unique: as `encodeScalar`, but booleans, null and documents are told apart. */
export function encodeId(id: Value): string | number {
  if (typeof id === "boolean") return id ? "~q1" : "~q0";
  if (id === null) return "~0";
  return encodeScalar(id) ?? `~d${encodeRow(id)}`;
}
