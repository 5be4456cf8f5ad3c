import mongodb from "mongodb";
import { type BsonDocument, makeBinary, type Value } from "./bson-value.ts";
import { refuse, serverError } from "./errors.ts";

const { ObjectId } = mongodb;

/** Nesting that the server stores (BSONDepth::getMaxDepthForUserStorage). */
export const NESTING_LEVELS_MAX = 180;

/**
 * The value that the server would have received: what the driver's BSON serialiser makes of a JavaScript value.
 * `undefined` becomes null (the driver's `ignoreUndefined: false`), functions are left out.
 *
 * @throws MongoServerError 115 for a type that is not supported, 15 when nested too deeply.
 */
export function normalise(value: unknown, levels = 0): Value {
  if (value === null || value === undefined) return null;
  switch (typeof value) {
    case "string":
      // UTF-8 has no lone surrogates: the driver writes U+FFFD.
      return value.isWellFormed() ? value : value.toWellFormed();
    case "number":
    case "boolean":
      return value;
    case "bigint":
      return safeInteger(value);
    case "object":
      return normaliseObject(value, levels);
    default:
      return refuse(`a value of the type ${typeof value}`);
  }
}

/** A document, as `normalise`. @throws as `normalise`, and 14 when it is not a document. */
export function normaliseDocument(value: unknown, what: string): BsonDocument {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw serverError(14, "TypeMismatch", `${what} must be a document`);
  const document = normalise(value);
  if (document === null || Object.getPrototypeOf(document) !== Object.prototype)
    throw serverError(14, "TypeMismatch", `${what} must be a document`);
  return document as BsonDocument; // The prototype says that it is none of the scalar classes.
}

function normaliseObject(value: object, levels: number): Value {
  if (levels > NESTING_LEVELS_MAX)
    throw serverError(15, "Overflow", `a document may not exceed ${NESTING_LEVELS_MAX} levels of nesting`);
  if (Array.isArray(value)) return Array.from(value, (item) => normalise(skipFunction(item), levels + 1));
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) return refuse("an invalid Date");
    return new Date(value);
  }
  if ("_bsontype" in value) return normaliseBsonClass(value, levels);
  // Before Uint8Array: a mongoose buffer knows its subtype only here.
  if ("toBSON" in value && typeof value.toBSON === "function") return normalise(value.toBSON(), levels);
  if (value instanceof Uint8Array) return makeBinary(Buffer.from(value), 0);
  if (value instanceof RegExp) return refuse("a RegExp as a stored value");
  return normaliseFields(value instanceof Map ? value : Object.entries(value), levels);
}

function normaliseFields(entries: Iterable<[unknown, unknown]>, levels: number): BsonDocument {
  const document: BsonDocument = {};
  for (const [key, item] of entries) {
    const name = String(key);
    if (typeof item === "function") continue;
    // Assigning to it would set the prototype instead of a field.
    if (name === "__proto__") refuse("a field named __proto__");
    if (name.includes("\0")) throw serverError(2, "BadValue", "a field name may not contain a null byte");
    document[name.isWellFormed() ? name : name.toWellFormed()] = normalise(item, levels + 1);
  }
  return document;
}

const skipFunction = (item: unknown): unknown => (typeof item === "function" ? null : item);

function safeInteger(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) refuse("an integer beyond 2^53");
  return number;
}

/** By name and not by class: mongoose and the application may have loaded two copies of the BSON library. */
function normaliseBsonClass(value: object, levels: number): Value {
  const { _bsontype: name } = value as { _bsontype: unknown };
  switch (name) {
    case "ObjectId":
      return value instanceof ObjectId ? value : new ObjectId(String(value));
    case "Int32":
    case "Double":
      return Number(value.valueOf());
    case "Long":
      return safeInteger(BigInt(String(value)));
    case "Binary": {
      const binary = value as mongodb.Binary; // The tag says so.
      // A sliced copy: the caller may reuse its buffer, and a mongoose buffer is a view with more behind it.
      return makeBinary(Buffer.from(binary.value()), binary.sub_type);
    }
    default:
      if ("toBSON" in value && typeof value.toBSON === "function") return normalise(value.toBSON(), levels);
      return refuse(`a value of the type ${String(name)}`);
  }
}
