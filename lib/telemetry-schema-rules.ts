/** What is wrong with a schema: the keyword's path and why. */
export interface SchemaProblem {
  field: string;
  message: string;
}

/** Schemas inside each other, those that `$ref` leads to included. */
export const SCHEMA_DEPTH_MAX = 16;
/** What checking one reading may cost at most: subschemas and values looked at, those behind each `$ref` included. */
export const SCHEMA_COST_MAX = 2000;
/** `additionalProperties` is looked at for many metrics of a reading. */
const ADDITIONAL_FACTOR = 50;

/** How a keyword's value holds schemas. */
type Kind = "value" | "annotation" | "schema" | "each" | "list" | "map" | "ref" | "definitions";

/** Everything that is taken. What is missing here is refused, so that a new keyword of the library opens no door. */
const KEYWORDS: Readonly<Record<string, Kind>> = {
  ...kind("annotation", "$schema title description $comment default examples deprecated readOnly writeOnly"),
  ...kind("value", "type const enum minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength"),
  ...kind("value", "required minProperties maxProperties dependentRequired"),
  ...kind("schema", "not if then else"),
  ...kind("each", "additionalProperties"),
  ...kind("list", "allOf anyOf oneOf"),
  ...kind("map", "properties"),
  ...kind("ref", "$ref"),
  ...kind("definitions", "$defs"),
};

function kind(which: Kind, keywords: string): Record<string, Kind> {
  return Object.fromEntries(keywords.split(" ").map((keyword) => [keyword, which]));
}

const REGULAR_EXPRESSION = "is not supported: a regular expression may hang the edge";
const REFUSED: Readonly<Record<string, string>> = {
  pattern: REGULAR_EXPRESSION,
  patternProperties: REGULAR_EXPRESSION,
  format: "is not supported: formats are regular expressions",
};

const DIALECTS = /^https?:\/\/json-schema\.org\/(draft\/2020-12\/schema|draft-07\/schema)#?$/;
const LOCAL = /^#\/\$defs\/([A-Za-z0-9._-]+)$/;

type Fields = Record<string, unknown>;
interface Measure {
  cost: number;
  depth: number;
}

/**
 * What this platform refuses of a schema beyond JSON Schema's own rules: keywords that could hang the edge or make one
 * reading expensive, references that leave the schema or come back to themselves.
 */
export function schemaProblems(schema: Fields): SchemaProblem[] {
  const walk = new Walk(schema);
  const { cost, depth } = walk.measure(schema, "telemetrySchema");
  if (walk.problems.length > 0) return walk.problems;
  if (depth > SCHEMA_DEPTH_MAX)
    return [{ field: "telemetrySchema", message: `must not be nested deeper than ${SCHEMA_DEPTH_MAX} schemas` }];
  if (cost > SCHEMA_COST_MAX)
    return [{ field: "telemetrySchema", message: `must not cost more than ${SCHEMA_COST_MAX}; it costs ${cost}` }];
  return [];
}

class Walk {
  readonly problems: SchemaProblem[] = [];
  readonly #root: Fields;
  /** Of definitions; undefined while one is being measured. */
  readonly #measured = new Map<string, Measure | undefined>();

  constructor(root: Fields) {
    this.#root = root;
  }

  measure(schema: unknown, path: string): Measure {
    // A boolean; anything else is JSON Schema's own to refuse.
    if (!isObject(schema)) return { cost: 1, depth: 1 };
    let cost = 1;
    let depth = 0;
    for (const [keyword, value] of Object.entries(schema)) {
      const inside = this.#keyword(keyword, value, `${path}/${keyword}`, schema === this.#root);
      cost += inside.cost;
      depth = Math.max(depth, inside.depth);
    }
    return { cost, depth: depth + 1 };
  }

  #keyword(keyword: string, value: unknown, path: string, atRoot: boolean): Measure {
    switch (Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined) {
      case "annotation":
        if (keyword === "$schema" && !DIALECTS.test(String(value)))
          return this.#refuse(path, "must be draft 2020-12 or 7");
        return NOTHING;
      case "value":
        return { cost: weightOf(value), depth: 0 };
      case "schema":
        return this.measure(value, path);
      case "each": {
        const { cost, depth } = this.measure(value, path);
        return { cost: isObject(value) ? cost * ADDITIONAL_FACTOR : 1, depth };
      }
      case "list":
        return this.#all(Array.isArray(value) ? [...value.entries()] : [], path);
      case "map":
        if (isObject(value) && Object.hasOwn(value, "__proto__"))
          return this.#refuse(`${path}/__proto__`, "is no name");
        return this.#all(isObject(value) ? Object.entries(value) : [], path);
      case "ref":
        return this.#reference(value, path);
      case "definitions":
        if (!atRoot) return this.#refuse(path, "is taken at the top only");
        for (const [name, definition] of isObject(value) ? Object.entries(value) : [])
          this.#definition(name, definition);
        return NOTHING;
      default:
        return this.#refuse(path, Object.hasOwn(REFUSED, keyword) ? (REFUSED[keyword] as string) : "is not supported");
    }
  }

  #all(entries: [name: string | number, schema: unknown][], path: string): Measure {
    let cost = 0;
    let depth = 0;
    for (const [name, schema] of entries) {
      const one = this.measure(schema, `${path}/${name}`);
      cost += one.cost;
      depth = Math.max(depth, one.depth);
    }
    return { cost, depth };
  }

  #reference(value: unknown, path: string): Measure {
    const name = LOCAL.exec(String(value))?.[1];
    const definitions = this.#root["$defs"];
    if (name === undefined) return this.#refuse(path, "must be #/$defs/NAME: nothing is fetched from elsewhere");
    if (!isObject(definitions) || !Object.hasOwn(definitions, name)) return this.#refuse(path, "leads nowhere");
    const measure = this.#definition(name, definitions[name]);
    return measure ?? this.#refuse(path, "comes back to itself");
  }

  /** undefined where it is being measured already, that is, leads to itself. */
  #definition(name: string, definition: unknown): Measure | undefined {
    if (this.#measured.has(name)) return this.#measured.get(name);
    this.#measured.set(name, undefined);
    const measure = this.measure(definition, `telemetrySchema/$defs/${name}`);
    this.#measured.set(name, measure);
    return measure;
  }

  #refuse(field: string, message: string): Measure {
    this.problems.push({ field, message });
    return NOTHING;
  }
}

const NOTHING: Measure = { cost: 0, depth: 0 };

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Values that are compared: those of lists and of lists in objects (`dependentRequired`), else one. */
const weightOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce((sum: number, item) => sum + weightOf(item), 0)
    : 1;
