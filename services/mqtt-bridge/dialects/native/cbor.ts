import { decode } from "cborg";
import { reject, shown } from "../../../../lib/readings/rejection.ts";

/** Deeper than any payload that means something; bounds the recursion below. */
const DEPTH_MAX = 8;

/**
 * CBOR (RFC 8949) as JSON would have said it: maps with text keys become plain objects. Refused are tags, integers
 * beyond 2^53, NaN, infinity, undefined, repeated keys and invalid UTF-8; byte strings stay, and are no metric.
 *
 * @throws Rejection
 */
export function decodeCbor(payload: Buffer): unknown {
  try {
    return plain(decode(payload, OPTIONS), 0);
  } catch (error) {
    // Deep nesting ends in a RangeError, the rest in cborg's own errors; Rejections pass unchanged.
    if ((error as Error).name === "Rejection") throw error;
    return reject("payload", `must be CBOR (${shown((error as Error).message)})`);
  }
}

const OPTIONS = {
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowUndefined: false,
  allowNaN: false,
  allowInfinity: false,
  allowBigInt: false,
};

function plain(value: unknown, depth: number): unknown {
  if (depth > DEPTH_MAX) reject("payload", "is nested too deeply");
  // cborg decodes invalid UTF-8 to U+FFFD; a device that means that character is not known.
  if (typeof value === "string" && value.includes("\ufffd")) reject("payload", "must have valid UTF-8 text");
  if (Array.isArray(value)) return value.map((item) => plain(item, depth + 1));
  if (!(value instanceof Map)) return value;
  const fields: Record<string, unknown> = Object.create(null);
  for (const [key, item] of value) {
    if (typeof key !== "string") reject("payload", "map keys must be text");
    plain(key, depth);
    fields[key] = plain(item, depth + 1);
  }
  return fields;
}
