import { compareValues } from "./bson-order.ts";
import { type BsonDocument, isDocument, typeOf, type Value } from "./bson-value.ts";
import type { Comparison, FieldTest, Filter } from "./filter.ts";
import { someAtPath } from "./path.ts";

/** Decides about one document; arrays appear as documents inside `$elemMatch`. */
export type Predicate = (document: Value) => boolean;
type ValuePredicate = (value: Value | undefined) => boolean;

/** Compiles a filter to MongoDB's matching rules. */
export function compileFilter(filter: Filter): Predicate {
  if (filter.kind === "field") {
    const tests = filter.tests.map((test) => compileAtPath(filter.parts, test));
    return tests.length === 1 ? (tests[0] as Predicate) : (document) => tests.every((test) => test(document));
  }
  const parts = filter.parts.map(compileFilter);
  switch (filter.kind) {
    case "and":
      return (document) => parts.every((part) => part(document));
    case "or":
      return (document) => parts.some((part) => part(document));
    case "nor":
      return (document) => !parts.some((part) => part(document));
  }
}

function compileAtPath(parts: readonly string[], test: FieldTest): Predicate {
  if (test.op === "not") {
    const tests = test.tests.map((inner) => compileAtPath(parts, inner));
    return (document) => !tests.every((inner) => inner(document));
  }
  const matches = compileTest(test);
  const expandLeaf = test.op !== "$size" && test.op !== "elementDocument" && test.op !== "elementValue";
  return (document) => someAtPath(document, parts, expandLeaf, matches);
}

/** Tests one value, without looking into arrays except by the array operators. */
export function compileTest(test: FieldTest): ValuePredicate {
  switch (test.op) {
    case "$eq":
      return equals(test.value);
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      return compares(test.op, test.value);
    case "$in": {
      const values = test.values.map(equals);
      const { patterns } = test;
      return (value) =>
        values.some((matches) => matches(value)) ||
        (typeof value === "string" && patterns.some((pattern) => pattern.test(value)));
    }
    case "$regex":
      return (value) => typeof value === "string" && test.pattern.test(value);
    case "$exists":
      return (value) => value !== undefined;
    case "$type":
      return (value) => value !== undefined && test.types.has(typeOf(value));
    case "$size":
      return (value) => Array.isArray(value) && value.length === test.size;
    case "elementDocument": {
      const matches = compileFilter(test.filter);
      return (value) =>
        Array.isArray(value) &&
        value.some((element) => (isDocument(element) || Array.isArray(element)) && matches(element));
    }
    case "elementValue": {
      const tests = test.tests.map(compileTest);
      return (value) => Array.isArray(value) && value.some((element) => tests.every((inner) => inner(element)));
    }
    case "not": {
      const tests = test.tests.map(compileTest);
      return (value) => !tests.every((inner) => inner(value));
    }
    case "never":
      return () => false;
  }
}

function equals(operand: Value): ValuePredicate {
  if (operand === null) return (value) => value === undefined || value === null;
  return (value) => value !== undefined && compareValues(value, operand) === 0;
}

/** Only values of the operand's type compare; null also with missing, and NaN only with itself. */
function compares(op: Comparison, operand: Value): ValuePredicate {
  const orEqual = op === "$gte" || op === "$lte";
  if (operand === null) return (value) => orEqual && (value === undefined || value === null);
  if (typeof operand === "number" && Number.isNaN(operand)) return (value) => orEqual && Number.isNaN(value);
  const type = typeOf(operand);
  const sign = op === "$gt" || op === "$gte" ? 1 : -1;
  return (value) => {
    if (value === undefined || typeOf(value) !== type || Number.isNaN(value)) return false;
    const order = compareValues(value, operand) * sign;
    return order > 0 || (orEqual && order === 0);
  };
}

/** Whether an array element is what `$pull` removes: as a field of its own, so that nested arrays are searched. */
export function compilePullTests(tests: FieldTest[]): Predicate {
  const parts = ["element"];
  const predicates = tests.map((test) => compileAtPath(parts, test));
  return (element) => {
    const wrapped: BsonDocument = { element };
    return predicates.every((predicate) => predicate(wrapped));
  };
}
