import { Errors } from "moleculer";
import { jsonFault } from "./json-fault.ts";

export interface JsonBounds {
  /** Of its text in UTF-8. */
  bytesMax: number;
  /** Arrays and objects inside each other. */
  depthMax: number;
}

/**
 * The JSON text of what a caller gave, for keeping it as text.
 *
 * @throws ValidationError naming the field, beyond a bound, and where the text would say something else than the value.
 */
export function boundedJson(value: unknown, field: string, { bytesMax, depthMax }: JsonBounds): string {
  // First of all: what recurses, JSON.stringify included, ends at some depth with an error of its own.
  const fault = jsonFault({ [field]: value }, depthMax);
  if (fault) throw refusal(fault.field, fault.message);
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > bytesMax) throw refusal(field, `must have at most ${bytesMax} bytes as JSON`);
  return text;
}

const refusal = (field: string, message: string) =>
  new Errors.ValidationError("Invalid parameters.", "VALIDATION_ERROR", [{ field, message }]);
