import type { Value } from "./bson-value.ts";

/** Operators that compare within one BSON type. */
export type Comparison = "$gt" | "$gte" | "$lt" | "$lte";

/** A test of the values at one path. `parse-filter.ts` makes them, `match.ts` runs them, `pushdown.ts` reads them. */
export type FieldTest =
  | { op: "$eq"; value: Value }
  | { op: Comparison; value: Value }
  | { op: "$in"; values: Value[]; patterns: RegExp[] }
  | { op: "$regex"; pattern: RegExp }
  | { op: "$exists" }
  | { op: "$type"; types: ReadonlySet<string> }
  | { op: "$size"; size: number }
  /** `$elemMatch` whose elements are documents. */
  | { op: "elementDocument"; filter: Filter }
  /** `$elemMatch` whose elements are compared themselves. */
  | { op: "elementValue"; tests: FieldTest[] }
  | { op: "not"; tests: FieldTest[] }
  /** Matches nothing: `$all: []`. */
  | { op: "never" };

/** A checked filter. */
export type Filter =
  | { kind: "and" | "or" | "nor"; parts: Filter[] }
  | { kind: "field"; path: string; parts: readonly string[]; tests: FieldTest[] };
