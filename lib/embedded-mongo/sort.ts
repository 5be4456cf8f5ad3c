import mongodb from "mongodb";
import { compareValues } from "./bson-order.ts";
import type { BsonDocument, Value } from "./bson-value.ts";
import { badValue, refuse } from "./errors.ts";
import { keysAtPath } from "./path.ts";

/** One part of a sort: 1 ascending, -1 descending. */
export interface SortField {
  path: string;
  parts: readonly string[];
  direction: 1 | -1;
}

/** All forms that the driver takes: `{ a: 1 }`, `[["a", -1]]`, `["a", 1]`, a Map, `"a"`. */
export function parseSort(sort: unknown): SortField[] {
  if (sort === undefined || sort === null) return [];
  return entriesOf(sort).map(([path, direction]) => {
    if (path === "") throw badValue("FieldPath cannot be constructed with empty string");
    const parts = path.split(".");
    if (parts.some((part) => part.startsWith("$"))) refuse(`the sort path ${path}`);
    return { path, parts, direction: parseDirection(direction) };
  });
}

function entriesOf(sort: unknown): [string, unknown][] {
  if (typeof sort === "string") return [[sort, 1]];
  if (sort instanceof Map) return [...sort].map(([path, direction]) => [String(path), direction]);
  if (!Array.isArray(sort)) {
    if (typeof sort !== "object" || sort === null) throw invalidSort(sort);
    return Object.entries(sort);
  }
  if (sort.length === 2 && typeof sort[0] === "string" && isDirection(sort[1])) return [[sort[0], sort[1]]];
  return sort.map((item): [string, unknown] => {
    if (typeof item === "string") return [item, 1];
    if (Array.isArray(item) && item.length === 2) return [String(item[0]), item[1]];
    throw invalidSort(sort);
  });
}

const invalidSort = (sort: unknown) =>
  new mongodb.MongoInvalidArgumentError(`Invalid sort format: ${JSON.stringify(sort)} Sort must be a valid object`);

const isDirection = (value: unknown): boolean => {
  const direction = String(value).toLowerCase();
  return ["1", "-1", "asc", "desc", "ascending", "descending"].includes(direction);
};

function parseDirection(value: unknown): 1 | -1 {
  if (typeof value === "object" && value !== null && "$meta" in value) refuse("a sort by $meta");
  if (!isDirection(value))
    throw new mongodb.MongoInvalidArgumentError(`Invalid sort direction: ${JSON.stringify(value)}`);
  const direction = String(value).toLowerCase();
  return direction === "-1" || direction.startsWith("desc") ? -1 : 1;
}

/** Stands for an empty array, which sorts before null. */
const EMPTY = Symbol("empty array");
type SortKey = Value | typeof EMPTY;

/** The sort keys of a document: of an array the lowest element when ascending, the highest when descending. */
export function sortKeysOf(document: BsonDocument, fields: readonly SortField[]): SortKey[] {
  let arrays = 0;
  const keys = fields.map(({ parts, direction }): SortKey => {
    const found = keysAtPath(document, parts);
    if (found.arrayAt > 0) arrays++;
    const candidates: SortKey[] = found.keys.map((key) => (key === undefined ? null : key));
    if (found.hasEmpty) candidates.push(EMPTY);
    return candidates.reduce((best, key) => (compareKeys(key, best) * direction < 0 ? key : best));
  });
  // The server takes the lowest combination per element, or refuses arrays that are parallel.
  if (arrays > 1) refuse("a sort over two paths with arrays");
  return keys;
}

function compareKeys(a: SortKey, b: SortKey): number {
  if (a === EMPTY || b === EMPTY) return a === b ? 0 : a === EMPTY ? -1 : 1;
  return compareValues(a, b);
}

export function compareSortKeys(a: SortKey[], b: SortKey[], fields: readonly SortField[]): number {
  for (const [index, { direction }] of fields.entries()) {
    const order = compareKeys(a[index] as SortKey, b[index] as SortKey);
    if (order !== 0) return order * direction;
  }
  return 0;
}
