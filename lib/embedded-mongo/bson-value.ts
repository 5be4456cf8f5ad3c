import mongodb from "mongodb";

const { Binary, ObjectId, UUID } = mongodb;

/** The BSON values that the embedded store holds, as the driver would hand them out. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Date
  | mongodb.ObjectId
  | mongodb.Binary
  | Value[]
  | BsonDocument;

/** An embedded or top-level document. Key order is part of its identity, as in BSON. */
export type BsonDocument = { [key: string]: Value };

/** BSON type names by `$type` alias, of what can be stored. */
export type TypeName = "null" | "number" | "string" | "object" | "array" | "binData" | "objectId" | "bool" | "date";

/** Comparison order of BSON types (https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/). */
export const TYPE_ORDER: Record<TypeName, number> = {
  null: 5,
  number: 10,
  string: 15,
  object: 20,
  array: 25,
  binData: 30,
  objectId: 35,
  bool: 40,
  date: 45,
};

export function typeOf(value: Value): TypeName {
  if (value === null) return "null";
  switch (typeof value) {
    case "number":
      return "number";
    case "string":
      return "string";
    case "boolean":
      return "bool";
    default:
      if (Array.isArray(value)) return "array";
      if (value instanceof Date) return "date";
      if (value instanceof ObjectId) return "objectId";
      if (value instanceof Binary) return "binData";
      return "object";
  }
}

export function isDocument(value: Value | undefined): value is BsonDocument {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !(value instanceof ObjectId) &&
    !(value instanceof Binary)
  );
}

/** Deep copy; ObjectIds and Binaries are shared, since nobody changes them in place. */
export function copyValue<T extends Value>(value: T): T {
  // The casts restore T, which TypeScript loses when it narrows the union.
  if (Array.isArray(value)) return value.map(copyValue) as T;
  if (value instanceof Date) return new Date(value) as T;
  if (!isDocument(value)) return value;
  const copy: BsonDocument = {};
  for (const key of Object.keys(value)) copy[key] = copyValue(value[key] as Value);
  return copy as T;
}

/** A binary as the driver hands it out: 16 bytes of the subtype 4 are a UUID. The bytes are not copied. */
export function makeBinary(bytes: Buffer, subtype: number): mongodb.Binary {
  return subtype === Binary.SUBTYPE_UUID && bytes.length === UUID_BYTES ? new UUID(bytes) : new Binary(bytes, subtype);
}

const UUID_BYTES = 16;
