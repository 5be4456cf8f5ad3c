import { type BsonDocument, isDocument, typeOf, type Value } from "./bson-value.ts";
import { refuse, serverError } from "./errors.ts";
import { isArrayIndex } from "./path.ts";

/** Elements that one update may pad an array with, to reach an index (the server's own limit). */
export const PADDING_MAX = 1_500_000;

/** @throws MongoServerError 56 for empty parts, 115 for the positional operators, 52 for other `$` names. */
export function parseUpdatePath(path: string): readonly string[] {
  const parts = path.split(".");
  for (const part of parts) {
    if (part === "")
      throw serverError(
        56,
        "EmptyFieldName",
        `The update path '${path}' contains an empty field name, which is not allowed.`,
      );
    if (part === "__proto__") refuse("a field named __proto__");
    if (part === "$" || part.startsWith("$[")) refuse(`the positional operator ${part} (in ${path})`);
    if (part.startsWith("$"))
      throw serverError(
        52,
        "DollarPrefixedFieldName",
        `The dollar ($) prefixed field '${part}' in '${path}' is not allowed in the context of an update`,
      );
  }
  return parts;
}

/** A place in a document: the container and the key or index in it. */
export interface Place {
  container: BsonDocument | Value[];
  key: string;
}

/** The existing place of a path, without search through arrays; undefined when there is none. */
export function findPlace(document: BsonDocument, parts: readonly string[]): Place | undefined {
  let container: Value | undefined = document;
  for (const part of parts.slice(0, -1)) container = stepInto(container, part);
  const key = parts.at(-1) as string;
  return stepInto(container, key) === undefined ? undefined : { container: container as BsonDocument, key };
}

function stepInto(container: Value | undefined, part: string): Value | undefined {
  if (Array.isArray(container)) return isArrayIndex(part) ? container[Number(part)] : undefined;
  return isDocument(container) && Object.hasOwn(container, part) ? container[part] : undefined;
}

/**
 * The place of a path, with the documents on the way created.
 *
 * @throws MongoServerError 28 PathNotViable when a scalar, null or an array stands in the way.
 */
export function makePlace(document: BsonDocument, parts: readonly string[]): Place {
  let container: BsonDocument | Value[] = document;
  for (const [index, part] of parts.entries()) {
    if (Array.isArray(container)) pad(container, part, parts[index - 1] as string);
    if (index === parts.length - 1) break;
    let next = stepInto(container, part);
    if (next === undefined) {
      next = {};
      write({ container, key: part }, next);
    }
    if (!Array.isArray(next) && !isDocument(next)) throw notViable(parts[index + 1] as string, part, typeOf(next));
    container = next;
  }
  return { container, key: parts.at(-1) as string };
}

function pad(array: Value[], part: string, name: string): void {
  if (!isArrayIndex(part)) throw notViable(part, name, "array");
  const index = Number(part);
  if (index - array.length > PADDING_MAX)
    throw serverError(2, "BadValue", `can't backfill more than ${PADDING_MAX} elements`);
  while (array.length < index) array.push(null);
}

const notViable = (part: string, name: string, type: string) =>
  serverError(28, "PathNotViable", `Cannot create field '${part}' in element {${name}: <${type}>}`);

export function read({ container, key }: Place): Value | undefined {
  return stepInto(container, key);
}

export function write({ container, key }: Place, value: Value): void {
  if (Array.isArray(container)) container[Number(key)] = value;
  else container[key] = value;
}

/** Removes a field; an array element becomes null, as `$unset` leaves it. */
export function remove({ container, key }: Place): void {
  if (Array.isArray(container)) container[Number(key)] = null;
  else delete container[key];
}

/** The server's order of the paths of one update: by part, numbers by value, else by bytes. */
export function comparePaths(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const x = a[i] as string;
    const y = b[i] as string;
    if (x === y) continue;
    if (isArrayIndex(x) && isArrayIndex(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}
