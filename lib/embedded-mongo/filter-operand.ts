import { badValue, refuse } from "./errors.ts";

/** An object literal, a Map-free document as queries and updates are written in. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** `$type` by alias and by number (https://www.mongodb.com/docs/manual/reference/operator/query/type/). */
export const TYPES: Record<string, string> = {
  string: "string",
  2: "string",
  object: "object",
  3: "object",
  array: "array",
  4: "array",
  binData: "binData",
  5: "binData",
  objectId: "objectId",
  7: "objectId",
  bool: "bool",
  8: "bool",
  date: "date",
  9: "date",
  null: "null",
  10: "null",
  number: "number",
};

/** Types that MongoDB tells apart and this store does not, or does not hold. */
export const REFUSED_TYPES: ReadonlySet<string> = new Set(
  (
    "double 1 int 16 long 18 decimal 19 undefined 6 regex 11 dbPointer 12 javascript 13 symbol 14 " +
    "javascriptWithScope 15 timestamp 17 minKey -1 maxKey 127"
  ).split(" "),
);

export function parseTypes(operand: unknown): ReadonlySet<string> {
  const names = Array.isArray(operand) ? operand : [operand];
  if (names.length === 0) throw badValue("$type must match at least one type");
  return new Set(
    names.map((name) => {
      if (typeof name !== "string" && typeof name !== "number")
        throw badValue("type must be represented as a number or a string");
      const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
      if (type !== undefined) return type;
      if (REFUSED_TYPES.has(String(name))) refuse(`$type ${name}`);
      throw badValue(
        typeof name === "string" ? `Unknown type name alias: ${name}` : `Invalid numerical type code: ${name}`,
      );
    }),
  );
}
