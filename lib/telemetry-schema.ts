import type { ErrorObject } from "ajv";
import { type SchemaProblem, schemaProblems } from "./telemetry-schema-rules.ts";

/** Why a reading's values are not what their schema wants, naming the metric; undefined = they are. */
export type ValuesCheck = (values: Readonly<Record<string, unknown>>) => string | undefined;

const SHOWN_MAX = 200;

/** Loaded when the first schema comes: a platform without device types starts without it. */
async function newAjv(checked: boolean) {
  const { Ajv2020 } = await import("ajv/dist/2020.js");
  // One per schema: an instance keeps all that it ever compiled.
  return new Ajv2020({
    strict: false,
    logger: false,
    // 0.3 is a multiple of 0.1, whatever the doubles say.
    multipleOfPrecision: 9,
    ...(checked ? {} : { meta: false, validateSchema: false }),
  });
}

/** What is wrong with a schema, by the keyword's path; empty = it may be compiled. */
export async function problemsOf(schema: Record<string, unknown>): Promise<SchemaProblem[]> {
  const problems = schemaProblems(schema);
  if (problems.length > 0) return problems;
  const ajv = await newAjv(true);
  const { $schema: _, ...rest } = schema;
  if (!ajv.validateSchema(rest)) return (ajv.errors ?? []).map(problemOf);
  try {
    ajv.compile(rest);
    return [];
  } catch (error) {
    return [{ field: "telemetrySchema", message: (error as Error).message }];
  }
}

const problemOf = ({ instancePath, message = "is wrong" }: ErrorObject): SchemaProblem => ({
  field: `telemetrySchema${instancePath}`,
  message,
});

/** Compiles a schema in which `problemsOf` found nothing. */
export async function compileTelemetrySchema(schema: Record<string, unknown>): Promise<ValuesCheck> {
  const { $schema: _, ...rest } = schema;
  const validate = (await newAjv(false)).compile(rest);
  return (values) => (validate(values) ? undefined : reasonOf(validate.errors?.at(-1)));
}

/** The last error is the outermost one. */
function reasonOf(error: ErrorObject | undefined): string {
  if (!error) return "values: are not what the device type wants";
  const { instancePath, keyword, params, message = "is wrong" } = error;
  const metric = instancePath === "" ? "values" : shown(unescaped(instancePath.slice(1)));
  switch (keyword) {
    case "required":
    case "dependentRequired":
      return `${shown(String(params["missingProperty"]))}: is missing`;
    case "additionalProperties":
      return `${shown(String(params["additionalProperty"]))}: is not a metric of the device type`;
    case "false schema":
      return `${metric}: must not be there`;
    case "enum":
      return `${metric}: must be one of ${cut(JSON.stringify(params["allowedValues"]))}`;
    case "const":
      return `${metric}: must be ${cut(JSON.stringify(params["allowedValue"]))}`;
    default:
      return `${metric}: ${message}`;
  }
}

/** RFC 6901 section 4. */
const unescaped = (token: string) => token.replaceAll("~1", "/").replaceAll("~0", "~");
const cut = (text: string) => (text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text);
/** A name as it may stand in a log and a reason string: no control characters. */
const shown = (name: string) => (/[\p{C}]/u.test(name) ? JSON.stringify(name) : name);
