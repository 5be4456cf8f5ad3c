import { typeOf, type Value } from "./bson-value.ts";
import type { CollectionEntry } from "./catalog.ts";
import type { FieldTest, Filter } from "./filter.ts";
import { encodeId, encodeRow, encodeScalar } from "./row-codec.ts";
import type { SortField } from "./sort.ts";
import { pathExpression } from "./sql.ts";
import { ARRAY, idSortsAsBson, sortsAsBson } from "./value-kinds.ts";

/** A condition in SQL that holds for every matching row, and for others too: the matcher decides. */
export interface Condition {
  sql: string;
  params: (string | number)[];
}

/** What SQLite can narrow down of a filter; undefined for nothing. */
export function pushdownFilter(filter: Filter, entry: CollectionEntry): Condition | undefined {
  switch (filter.kind) {
    case "nor":
      return undefined;
    case "and":
      return join(filter.parts.map((part) => pushdownFilter(part, entry)).filter(isDefined), "AND");
    case "or": {
      const parts = filter.parts.map((part) => pushdownFilter(part, entry));
      return parts.every(isDefined) ? join(parts, "OR") : undefined;
    }
    case "field": {
      const kinds = entry.kinds.get(filter.path);
      if (kinds === undefined || kinds & ARRAY) return undefined;
      return join(filter.tests.map((test) => pushdownTest(filter.path, test)).filter(isDefined), "AND");
    }
  }
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

function join(conditions: Condition[], operator: "AND" | "OR"): Condition | undefined {
  if (conditions.length === 0) return undefined;
  if (conditions.length === 1) return conditions[0];
  return {
    sql: `(${conditions.map(({ sql }) => sql).join(` ${operator} `)})`,
    params: conditions.flatMap(({ params }) => params),
  };
}

function pushdownTest(path: string, test: FieldTest): Condition | undefined {
  const expression = pathExpression(path);
  switch (test.op) {
    case "$eq": {
      if (path === "_id") return { sql: "k=?", params: [encodeId(test.value)] };
      if (test.value === null) return { sql: `${expression} IS NULL`, params: [] };
      const scalar = encodeScalar(test.value);
      return scalar === undefined || scalar === null ? undefined : { sql: `${expression}=?`, params: [scalar] };
    }
    case "$in":
      return test.patterns.length > 0 ? undefined : pushdownIn(path, expression, test.values);
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      return pushdownRange(path, expression, test.op, test.value);
    case "never":
      return { sql: "0", params: [] };
    default:
      return undefined;
  }
}

function pushdownIn(path: string, expression: string, values: Value[]): Condition | undefined {
  const hasNull = path !== "_id" && values.includes(null);
  const scalars: (string | number)[] = [];
  for (const value of values) {
    const scalar = path === "_id" ? encodeId(value) : encodeScalar(value);
    if (scalar === undefined) return undefined;
    if (scalar !== null) scalars.push(scalar);
  }
  // Already encoded: the numbers among them must not become tagged strings again.
  const list = `[${scalars.map((scalar) => (typeof scalar === "string" ? JSON.stringify(scalar) : encodeRow(scalar))).join(",")}]`;
  const isIn = `${expression} IN (SELECT value FROM json_each(?))`;
  return { sql: hasNull ? `(${isIn} OR ${expression} IS NULL)` : isIn, params: [list] };
}

const SQL_OPERATOR = { $gt: ">", $gte: ">=", $lt: "<", $lte: "<=" };

/** A range stays within the operand's type: numbers are below all text, tagged scalars share their tag. */
function pushdownRange(
  path: string,
  expression: string,
  op: keyof typeof SQL_OPERATOR,
  value: Value,
): Condition | undefined {
  const upward = op === "$gt" || op === "$gte";
  const type = typeOf(value);
  const compared = `${expression}${SQL_OPERATOR[op]}?`;
  const bounded = (other: string) => `(${compared} AND ${expression}${other})`;
  if (type === "null") {
    const orEqual = op === "$gte" || op === "$lte";
    return orEqual && path !== "_id" ? { sql: `${expression} IS NULL`, params: [] } : undefined;
  }
  const scalar = encodeScalar(value);
  if (scalar === undefined || scalar === null || Number.isNaN(value)) return undefined;
  switch (type) {
    case "number":
      return { sql: upward ? bounded("<''") : compared, params: [scalar] };
    case "string":
      return { sql: upward ? compared : bounded(">=''"), params: [scalar] };
    case "objectId":
    case "date": {
      const tag = String(scalar).slice(0, 2);
      const after = tag.slice(0, 1) + String.fromCharCode(tag.charCodeAt(1) + 1);
      return { sql: bounded(upward ? `<'${after}'` : `>='${tag}'`), params: [scalar] };
    }
    default:
      return undefined;
  }
}

/**
 * ORDER BY, if SQLite's order of these paths is BSON's; undefined when the store must sort by itself. A path that the
 * filter fixes orders nothing and is left out: over an index of expressions SQLite would sort all matches for it.
 */
export function pushdownSort(sort: readonly SortField[], filter: Filter, entry: CollectionEntry): string | undefined {
  const terms: string[] = [];
  for (const { path, direction } of sort) {
    const kinds = entry.kinds.get(path);
    if (kinds !== undefined && !(kinds & ARRAY) && isFixed(filter, path)) continue;
    if (kinds === undefined || !(path === "_id" ? idSortsAsBson(kinds) : sortsAsBson(kinds))) return undefined;
    terms.push(pathExpression(path) + (direction === -1 ? " DESC" : ""));
  }
  return terms.length === 0 ? "" : ` ORDER BY ${terms.join(",")}`;
}

/** Whether all matching documents have the same value at a path that never held an array. */
function isFixed(filter: Filter, path: string): boolean {
  if (filter.kind === "and") return filter.parts.some((part) => isFixed(part, path));
  return filter.kind === "field" && filter.path === path && filter.tests.some(({ op }) => op === "$eq");
}
