import { isDocument, type Value } from "./bson-value.ts";

const ARRAY_INDEX = /^(?:0|[1-9]\d{0,8})$/;

export const isArrayIndex = (part: string): boolean => ARRAY_INDEX.test(part);

/** A field of a document, or an element of an array by its number; undefined when there is none. */
export function fieldOf(container: Value | undefined, part: string): Value | undefined {
  if (Array.isArray(container)) return isArrayIndex(part) ? container[Number(part)] : undefined;
  return isDocument(container) && Object.hasOwn(container, part) ? container[part] : undefined;
}

/**
 * Whether any value that a query path reaches satisfies `test`. Arrays on the way are searched by element and by
 * number; an array at the end is tested by its elements and then as a whole (`expandLeaf`), or only as a whole.
 * `test(undefined)` stands for "missing". Follows the server's BSONElementIterator.
 */
export function someAtPath(
  container: Value,
  parts: readonly string[],
  expandLeaf: boolean,
  test: (value: Value | undefined) => boolean,
  from = 0,
): boolean {
  let value: Value | undefined = container;
  let i = from;
  do {
    value = fieldOf(value, parts[i] as string);
    i++;
  } while (i < parts.length && value !== undefined && !Array.isArray(value));
  if (!Array.isArray(value)) return test(value);
  if (i === parts.length) return (expandLeaf && value.some(test)) || test(value);
  const part = parts[i] as string;
  for (const [index, element] of value.entries()) {
    if (isDocument(element) && someAtPath(element, parts, expandLeaf, test, i)) return true;
    if (String(index) !== part) continue;
    if (i + 1 === parts.length) {
      if (test(element)) return true;
    } else if ((isDocument(element) || Array.isArray(element)) && someAtPath(element, parts, expandLeaf, test, i + 1))
      return true;
  }
  return false;
}

/** What a path yields as keys of a sort or an index. */
export interface PathKeys {
  /** Values found; undefined for missing. */
  keys: (Value | undefined)[];
  /** An empty array stood at the end of the path: a key below null. */
  hasEmpty: boolean;
  /** Parts of the path up to the first array; 0 without one. */
  arrayAt: number;
}

/** The keys of one path as an index would have them: elements of arrays, one level deep; undefined for missing. */
export function keysAtPath(container: Value, parts: readonly string[]): PathKeys {
  const found: PathKeys = { keys: [], hasEmpty: false, arrayAt: 0 };
  collect(container, parts, 0, found);
  return found;
}

function collect(container: Value, parts: readonly string[], from: number, found: PathKeys): void {
  let value: Value | undefined = container;
  let i = from;
  do {
    value = fieldOf(value, parts[i] as string);
    i++;
  } while (i < parts.length && value !== undefined && !Array.isArray(value));
  if (!Array.isArray(value)) {
    found.keys.push(value);
    return;
  }
  if (found.arrayAt === 0) found.arrayAt = i;
  if (i === parts.length) {
    if (value.length === 0) found.hasEmpty = true;
    for (const element of value) found.keys.push(element);
    return;
  }
  if (isArrayIndex(parts[i] as string) && fieldOf(value, parts[i] as string) !== undefined) {
    const element = value[Number(parts[i])] as Value;
    if (i + 1 < parts.length) collect(element, parts, i + 1, found);
    else for (const key of Array.isArray(element) ? element : [element]) found.keys.push(key);
    return;
  }
  if (value.length === 0) found.keys.push(undefined);
  for (const element of value) {
    if (isDocument(element)) collect(element, parts, i, found);
    else found.keys.push(undefined);
  }
}
