import type { Value } from "./bson-value.ts";
import { badValue, refuse } from "./errors.ts";
import type { FieldTest, Filter } from "./filter.ts";
import { isPlainObject, parseTypes } from "./filter-operand.ts";
import { normalise } from "./normalise.ts";
import { compilePattern, compileRegExp } from "./regular-expression.ts";

/** Operators that join filters. */
export const LOGICAL_OPERATORS = ["$and", "$or", "$nor"] as const;

/** Operators behind a field name. `$regex` brings `$options`. */
export const FIELD_OPERATORS = [
  "$eq",
  "$ne",
  "$gt",
  "$gte",
  "$lt",
  "$lte",
  "$in",
  "$nin",
  "$not",
  "$exists",
  "$type",
  "$regex",
  "$options",
  "$all",
  "$elemMatch",
  "$size",
] as const;
type FieldOperator = (typeof FIELD_OPERATORS)[number];
type LogicalOperator = (typeof LOGICAL_OPERATORS)[number];

/** Operators that MongoDB has and this store refuses by name. */
export const REFUSED_FILTER_OPERATORS: ReadonlySet<string> = new Set(
  (
    "$where $expr $jsonSchema $text $comment $mod $geoWithin $geoIntersects $near $nearSphere $within $maxDistance " +
    "$minDistance $geometry $bitsAllSet $bitsAnySet $bitsAllClear $bitsAnyClear $rand $sampleRate $alwaysTrue " +
    "$alwaysFalse $search $vectorSearch $natural $query $orderby $hint $ref $id $db"
  ).split(" "),
);

/**
 * Checks a query filter and makes it ready to run.
 *
 * @throws MongoServerError 2 BadValue as the server, 115 naming what is not supported.
 */
export function parseFilter(filter: unknown): Filter {
  if (filter === undefined || filter === null) return { kind: "and", parts: [] };
  if (!isPlainObject(filter)) throw badValue("Expected field filter to be an object");
  const parts: Filter[] = [];
  for (const [key, operand] of Object.entries(filter)) {
    if (typeof operand === "function") continue; // The driver does not send functions.
    parts.push(key.startsWith("$") ? parseLogical(key, operand) : parseField(key, operand));
  }
  return parts.length === 1 ? (parts[0] as Filter) : { kind: "and", parts };
}

function parseLogical(key: string, operand: unknown): Filter {
  if (!isLogical(key)) {
    if (REFUSED_FILTER_OPERATORS.has(key)) refuse(key);
    throw badValue(`unknown top level operator: ${key}`);
  }
  if (!Array.isArray(operand)) throw badValue(`${key} argument must be an array`);
  if (operand.length === 0) throw badValue(`${key} argument must be a non-empty array`);
  const parts = operand.map((part) => {
    if (!isPlainObject(part)) throw badValue(`${key} argument's entries must be objects`);
    return parseFilter(part);
  });
  return { kind: KINDS[key], parts };
}

const KINDS = { $and: "and", $or: "or", $nor: "nor" } as const satisfies Record<LogicalOperator, string>;
const isLogical = (name: string): name is LogicalOperator => Object.hasOwn(KINDS, name);

function parseField(path: string, operand: unknown): Filter {
  const parts = path.split(".");
  if (parts.some((part) => part.startsWith("$"))) refuse(`the filter path ${path}`);
  return { kind: "field", path, parts, tests: parseTests(operand) };
}

/** What stands behind a field name: a value, a RegExp, or operators. */
function parseTests(operand: unknown): FieldTest[] {
  if (operand instanceof RegExp) return [{ op: "$regex", pattern: compileRegExp(operand) }];
  return isOperators(operand) ? parseOperators(operand) : [{ op: "$eq", value: equalityOperand(operand) }];
}

/** Whether it is `{ $gt: … }` and not a document to compare with; its first key decides, as for the server. */
export function isOperators(operand: unknown): operand is Record<string, unknown> {
  if (!isPlainObject(operand)) return false;
  const [first] = Object.keys(operand);
  return first?.startsWith("$") ?? false;
}

/** The tests of `{ $gt: 1, $lt: 5 }`. */
export function parseOperators(operators: Record<string, unknown>): FieldTest[] {
  const tests: FieldTest[] = [];
  for (const [name, operand] of Object.entries(operators)) {
    if (!isFieldOperator(name)) {
      if (REFUSED_FILTER_OPERATORS.has(name)) refuse(name);
      throw badValue(`unknown operator: ${name}`);
    }
    tests.push(...parseOperator(name, operand, operators));
  }
  return tests;
}

const isFieldOperator = (name: string): name is FieldOperator => (FIELD_OPERATORS as readonly string[]).includes(name);

function parseOperator(name: FieldOperator, operand: unknown, operators: Record<string, unknown>): FieldTest[] {
  switch (name) {
    case "$eq":
      return [{ op: "$eq", value: equalityOperand(operand) }];
    case "$ne":
      if (operand instanceof RegExp) throw badValue("Can't have regex as arg to $ne.");
      return [not({ op: "$eq", value: equalityOperand(operand) })];
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      if (operand instanceof RegExp) throw badValue("Can't have RegEx as arg to predicate over field");
      return [{ op: name, value: equalityOperand(operand) }];
    case "$in":
      return [parseIn(name, operand)];
    case "$nin":
      return [not(parseIn(name, operand))];
    case "$exists":
      return [truthy(operand) ? { op: "$exists" } : not({ op: "$exists" })];
    case "$type":
      return [{ op: "$type", types: parseTypes(operand) }];
    case "$size":
      return [parseSize(operand)];
    case "$all":
      return parseAll(operand);
    case "$elemMatch":
      return [parseElemMatch(operand)];
    case "$not":
      return [parseNot(operand)];
    case "$regex":
      return [parseRegex(operand, operators["$options"])];
    case "$options":
      if (!("$regex" in operators)) throw badValue("$options needs a $regex");
      return [];
  }
}

const not = (test: FieldTest): FieldTest => ({ op: "not", tests: [test] });

const truthy = (operand: unknown): boolean => {
  const value = normalise(operand);
  return value !== null && value !== false && value !== 0;
};

function equalityOperand(operand: unknown): Value {
  if (operand instanceof RegExp) refuse("$eq with a RegExp");
  return normalise(operand);
}

function parseRegex(operand: unknown, options: unknown): FieldTest {
  if (options !== undefined && typeof options !== "string") throw badValue("$options has to be a string");
  if (operand instanceof RegExp) {
    if (options !== undefined && (operand.ignoreCase || operand.multiline))
      throw badValue("options set in both $regex and $options");
    return { op: "$regex", pattern: compileRegExp(operand, options) };
  }
  if (typeof operand !== "string") throw badValue("$regex has to be a string");
  return { op: "$regex", pattern: compilePattern(operand, options ?? "") };
}

function parseIn(name: string, operand: unknown): FieldTest {
  if (!Array.isArray(operand)) throw badValue(`${name} needs an array`);
  const values: Value[] = [];
  const patterns: RegExp[] = [];
  for (const item of operand) {
    if (isOperators(item)) throw badValue(`cannot nest $ under ${name}`);
    if (item instanceof RegExp) patterns.push(compileRegExp(item));
    else values.push(normalise(item));
  }
  return { op: "$in", values, patterns };
}

function parseSize(operand: unknown): FieldTest {
  const size = normalise(operand);
  if (typeof size !== "number" || !Number.isInteger(size)) throw badValue("Failed to parse $size. Expected an integer");
  if (size < 0) throw badValue("Failed to parse $size. Expected a non-negative number");
  return { op: "$size", size };
}

function parseAll(operand: unknown): FieldTest[] {
  if (!Array.isArray(operand)) throw badValue("$all needs an array");
  if (operand.length === 0) return [{ op: "never" }];
  const isElemMatch = (item: unknown) => isOperators(item) && "$elemMatch" in item;
  const elementTests = operand.some(isElemMatch);
  return operand.map((item): FieldTest => {
    if (elementTests !== isElemMatch(item)) throw badValue("$all/$elemMatch has to be consistent");
    if (isElemMatch(item)) return parseElemMatch(item.$elemMatch);
    if (isOperators(item)) throw badValue("no $ expressions in $all");
    if (item instanceof RegExp) return { op: "$regex", pattern: compileRegExp(item) };
    return { op: "$eq", value: normalise(item) };
  });
}

function parseElemMatch(operand: unknown): FieldTest {
  if (!isPlainObject(operand)) throw badValue("$elemMatch needs an Object");
  const [first] = Object.keys(operand);
  if (isOperators(operand) && !isLogical(first ?? "") && first !== "$where")
    return { op: "elementValue", tests: parseOperators(operand) };
  return { op: "elementDocument", filter: parseFilter(operand) };
}

function parseNot(operand: unknown): FieldTest {
  if (operand instanceof RegExp) return not({ op: "$regex", pattern: compileRegExp(operand) });
  if (!isPlainObject(operand)) throw badValue("$not needs a regex or a document");
  if (Object.keys(operand).length === 0) throw badValue("$not cannot be empty");
  if (!isOperators(operand)) throw badValue(`unknown operator: ${Object.keys(operand)[0]}`);
  return { op: "not", tests: parseOperators(operand) };
}

/** The values that a filter fixes by equality, for an upsert: `[path, value]` in the filter's order. */
export function equalitiesOf(filter: Filter): [string, Value][] {
  if (filter.kind === "field") {
    return filter.tests.flatMap((test): [string, Value][] => {
      // Whether the server infers a value from these depends on its version.
      if (test.op === "$in" && test.values.length + test.patterns.length === 1) refuse("an upsert by $in of one value");
      return test.op === "$eq" ? [[filter.path, test.value]] : [];
    });
  }
  if (filter.kind === "nor" || (filter.kind === "or" && filter.parts.length > 1)) return [];
  return filter.parts.flatMap(equalitiesOf);
}

export const isEmptyFilter = (filter: Filter): boolean => filter.kind === "and" && filter.parts.length === 0;
