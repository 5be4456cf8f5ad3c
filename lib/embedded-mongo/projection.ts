import { type BsonDocument, copyValue, isDocument, type Value } from "./bson-value.ts";
import { refuse, serverError } from "./errors.ts";
import { isPlainObject } from "./filter-operand.ts";

/** A field of a projection, or the fields below it. */
type Tree = Map<string, Tree | true>;

export type Projection = (document: BsonDocument) => BsonDocument;

/**
 * Compiles `{ a: 1, "b.c": 1 }` or `{ a: 0 }`; the result keeps the document's order of fields.
 *
 * @throws MongoServerError 31253, 31254 for a mixture, 31249 for colliding paths, 115 for expressions.
 */
export function parseProjection(projection: unknown): Projection | undefined {
  if (projection === undefined || projection === null) return undefined;
  if (!isPlainObject(projection)) throw serverError(14, "TypeMismatch", "projection must be a document");
  const entries = Object.entries(projection).filter(([, value]) => value !== undefined);
  if (entries.length === 0) return undefined;
  const tree: Tree = new Map();
  let including: boolean | undefined;
  let id: boolean | undefined;
  for (const [path, value] of entries) {
    const included = parseInclusion(path, value);
    if (path === "_id") {
      id = included;
      continue;
    }
    if (including !== undefined && including !== included)
      throw included
        ? serverError(31253, "Location31253", `Cannot do inclusion on field ${path} in exclusion projection`)
        : serverError(31254, "Location31254", `Cannot do exclusion on field ${path} in inclusion projection`);
    including = included;
    add(tree, path);
  }
  // `{ _id: 1 }` alone includes, `{ _id: 0 }` alone excludes.
  including ??= id === true;
  if (including ? id !== false : id === false) tree.set("_id", true);
  const keep = including;
  return (document) => pick(document, tree, keep);
}

function parseInclusion(path: string, value: unknown): boolean {
  if (path.split(".").some((part) => part.startsWith("$"))) refuse(`the positional projection ${path}`);
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return value !== 0;
  if (isPlainObject(value)) refuse(`${Object.keys(value)[0] ?? "a document"} in a projection (field ${path})`);
  return refuse(`a ${value === null ? "null" : typeof value} in a projection (field ${path})`);
}

function add(tree: Tree, path: string): void {
  const parts = path.split(".");
  if (parts.includes("")) throw serverError(40353, "Location40353", "FieldPath must not end with a '.'.");
  let level = tree;
  for (const [index, part] of parts.entries()) {
    const known = level.get(part);
    const last = index === parts.length - 1;
    if (known === true || (known !== undefined && last))
      throw serverError(
        31249,
        "Location31249",
        `Path collision at ${path} remaining portion ${parts.slice(index + 1).join(".")}`,
      );
    if (last) level.set(part, true);
    else {
      const below: Tree = known ?? new Map();
      level.set(part, below);
      level = below;
    }
  }
}

function pick(document: BsonDocument, tree: Tree, keep: boolean): BsonDocument {
  const picked: BsonDocument = {};
  for (const key of Object.keys(document)) {
    const rule = tree.get(key);
    const value = document[key] as Value;
    if (rule === undefined) {
      if (!keep) picked[key] = copyValue(value);
    } else if (rule === true) {
      if (keep) picked[key] = copyValue(value);
    } else {
      const below = pickBelow(value, rule, keep);
      if (below !== undefined) picked[key] = below;
    }
  }
  return picked;
}

/** Arrays are passed through, element by element; of scalars an inclusion keeps nothing. */
function pickBelow(value: Value, tree: Tree, keep: boolean): Value | undefined {
  if (Array.isArray(value))
    return value.map((element) => pickBelow(element, tree, keep)).filter((element) => element !== undefined);
  if (isDocument(value)) return pick(value, tree, keep);
  return keep ? undefined : copyValue(value);
}
