import type mongodb from "mongodb";
import { type BsonDocument, TYPE_ORDER, typeOf, type Value } from "./bson-value.ts";

/**
 * Total order of BSON values, across types, as the server sorts them. 0 is also the store's equality:
 * numbers by value, documents with their key order.
 */
export function compareValues(a: Value, b: Value): number {
  if (a === b) return 0;
  const type = typeOf(a);
  const difference = TYPE_ORDER[type] - TYPE_ORDER[typeOf(b)];
  if (difference !== 0) return difference;
  // Both values have the type `type` from here on, which the casts say.
  switch (type) {
    case "null":
      return 0;
    case "number":
      return compareNumbers(a as number, b as number);
    case "string":
      return compareStrings(a as string, b as string);
    case "bool":
      return Number(a) - Number(b);
    case "date":
      return (a as Date).getTime() - (b as Date).getTime();
    case "objectId":
      return compareStrings((a as mongodb.ObjectId).toHexString(), (b as mongodb.ObjectId).toHexString());
    case "binData":
      return compareBinaries(a as mongodb.Binary, b as mongodb.Binary);
    case "array":
      return compareArrays(a as Value[], b as Value[]);
    case "object":
      return compareDocuments(a as BsonDocument, b as BsonDocument);
  }
}

export const equalValues = (a: Value, b: Value): boolean => compareValues(a, b) === 0;

/** NaN equals itself and is below every other number. */
function compareNumbers(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : -1;
  if (Number.isNaN(b)) return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** By UTF-8 bytes, which is by code point; JavaScript's `<` compares UTF-16 units and differs above U+FFFF. */
export function compareStrings(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xIsSurrogate = x >= 0xd800 && x <= 0xdfff;
    const yIsSurrogate = y >= 0xd800 && y <= 0xdfff;
    return xIsSurrogate === yIsSurrogate ? x - y : xIsSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}

/** Length, then subtype, then bytes. */
function compareBinaries(a: mongodb.Binary, b: mongodb.Binary): number {
  return a.position - b.position || a.sub_type - b.sub_type || Buffer.compare(a.value(), b.value());
}

function compareArrays(a: Value[], b: Value[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = compareValues(a[i] as Value, b[i] as Value);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Pairwise in key order: type of the value, then key, then value. */
function compareDocuments(a: BsonDocument, b: BsonDocument): number {
  const keysOfA = Object.keys(a);
  const keysOfB = Object.keys(b);
  const length = Math.min(keysOfA.length, keysOfB.length);
  for (let i = 0; i < length; i++) {
    const keyOfA = keysOfA[i] as string;
    const keyOfB = keysOfB[i] as string;
    const x = a[keyOfA] as Value;
    const y = b[keyOfB] as Value;
    const difference =
      TYPE_ORDER[typeOf(x)] - TYPE_ORDER[typeOf(y)] || compareStrings(keyOfA, keyOfB) || compareValues(x, y);
    if (difference !== 0) return difference;
  }
  return keysOfA.length - keysOfB.length;
}
