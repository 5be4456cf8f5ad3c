import { Errors } from "moleculer";

export interface JsonBounds {
  /** Of its text in UTF-8. */
  bytesMax: number;
  /** Arrays and objects inside each other. */
  depthMax: number;
}

/**
 * The JSON text of what a caller gave, for keeping it as text.
 *
 * @throws ValidationError naming the field, beyond a bound.
 */
export function boundedJson(value: unknown, field: string, { bytesMax, depthMax }: JsonBounds): string {
  // First of all: what recurses, JSON.stringify included, ends at some depth with an error of its own.
  if (isDeeper(value, depthMax)) throw refusal(field, `must not be nested deeper than ${depthMax}`);
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > bytesMax) throw refusal(field, `must have at most ${bytesMax} bytes as JSON`);
  return text;
}

const refusal = (field: string, message: string) =>
  new Errors.ValidationError("Invalid parameters.", "VALIDATION_ERROR", [{ field, message }]);

function isDeeper(value: unknown, depthMax: number): boolean {
  let level = [value];
  for (let depth = 0; level.length > 0; depth++) {
    const containers = level.filter((item) => typeof item === "object" && item !== null);
    if (depth >= depthMax && containers.length > 0) return true;
    level = containers.flatMap((container) => Object.values(container as object));
  }
  return false;
}
