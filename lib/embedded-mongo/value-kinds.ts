import { type BsonDocument, type TypeName, typeOf } from "./bson-value.ts";
import { keysAtPath } from "./path.ts";

/** Which kinds of values a path has ever held, as bits; decides what SQLite may answer about it. */
export type Kinds = number;

const BIT: Record<TypeName, Kinds> = {
  null: 1,
  number: 2,
  string: 4,
  binData: 8,
  objectId: 16,
  bool: 32,
  date: 64,
  object: 128,
  array: 256,
};
const NAN: Kinds = 512;

/** The path leads through or to an array: `json_extract` does not see its elements. */
export const ARRAY: Kinds = BIT.array;

export function kindsOf(document: BsonDocument, parts: readonly string[]): Kinds {
  const { keys, arrayAt } = keysAtPath(document, parts);
  let kinds = arrayAt > 0 ? ARRAY : 0;
  for (const key of keys) kinds |= key === undefined ? BIT.null : Number.isNaN(key) ? NAN : BIT[typeOf(key)];
  return kinds;
}

/**
 * Whether SQLite's order of the encoded values is BSON's: NULL, numbers, text. Strings and tagged scalars are both
 * text, so they must not meet; booleans are 0 and 1, so they must be alone.
 */
export function sortsAsBson(kinds: Kinds): boolean {
  const held = kinds & ~BIT.null;
  const allowed = [BIT.number | BIT.string, BIT.number | BIT.objectId | BIT.date, BIT.bool];
  return allowed.some((set) => (held & ~set) === 0);
}

/** As `sortsAsBson` for the `_id` column, where null and booleans are tagged text. */
export const idSortsAsBson = (kinds: Kinds): boolean => sortsAsBson(kinds) && (kinds & (BIT.null | BIT.bool)) === 0;
