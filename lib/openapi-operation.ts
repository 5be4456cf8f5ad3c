import { z } from "zod";
import type { ActionContract } from "./contract.ts";

type JsonSchema = Record<string, unknown> & {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  anyOf?: JsonSchema[];
};

/** OpenAPI 3.1 operation of one action, with the named schemas it refers to; plain JSON, so that it may travel. */
export interface ContractOperation {
  method: string;
  /** Below the API's base, with `{name}` for path parameters. */
  path: string;
  operation: Record<string, unknown>;
  schemas: Record<string, JsonSchema>;
}

/**
 * The API document's part for one routed action; undefined for an internal one.
 * Every node sends it along with its action, so that the gateway can collect the document over all nodes.
 */
export function openapiOperation(
  service: string,
  action: string,
  contract: ActionContract,
): ContractOperation | undefined {
  if (!contract.rest) return undefined;
  const [method = "", route = ""] = contract.rest.split(" ");
  const schemas: Record<string, JsonSchema> = {};
  const status = contract.status ?? 200;
  const result = schemaOf(contract.result, "output", schemas);
  const operation = {
    operationId: `${service}.${action}`,
    summary: contract.summary,
    tags: [service],
    ...inputs(method, route, contract, schemas),
    responses: {
      [status]:
        status === 204
          ? { description: "No Content" }
          : { description: "Success", content: { ...json(result), ...streamed(contract) } },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
  return { method: method.toLowerCase(), path: route.replace(PATH_PARAMETER, "/{$1}"), operation, schemas };
}

/** Splits `params` into path, query and body, as the gateway merges the three into one object. */
function inputs(method: string, route: string, { params, lines }: ActionContract, schemas: Record<string, JsonSchema>) {
  const root = schemaOf(params, "input", schemas);
  const { properties = {}, required = [] } = root.$ref ? (schemas[root.$ref.split("/").at(-1) ?? ""] ?? {}) : root;
  const inPath = new Set(Array.from(route.matchAll(PATH_PARAMETER), ([, name]) => name));
  const inUrl = (name: string) => inPath.has(name) || method === "GET" || method === "DELETE" || lines !== undefined;
  const fields = Object.entries(properties);
  const parameters = fields
    .filter(([name]) => inUrl(name))
    .map(([name, schema]) =>
      inPath.has(name)
        ? { name, in: "path", required: true, schema }
        : { name, in: "query", required: required.includes(name), style: "form", explode: repeats(schema), schema },
    );
  if (lines) {
    const content = { "application/x-ndjson": { schema: schemaOf(lines, "input", schemas) } };
    return { parameters, requestBody: { required: true, content } };
  }
  const body = {
    type: "object",
    properties: Object.fromEntries(fields.filter(([name]) => !inUrl(name))),
    required: required.filter((name) => !inUrl(name)),
    additionalProperties: false,
  };
  return Object.keys(body.properties).length > 0
    ? { parameters, requestBody: { required: body.required.length > 0, content: json(body) } }
    : { parameters };
}

/** Text or texts may stand several times, `tag=a:1&tag=b:2`; other lists are comma-separated, `metrics=a,b`. */
const repeats = ({ anyOf = [] }: JsonSchema) => anyOf.some(({ type }) => type === "array");

/** A parameter begins a segment: `/devices:batch` has none. */
const PATH_PARAMETER = /\/:(\w+)/g;

const streamed = ({ streams = [] }: ActionContract) =>
  Object.fromEntries(streams.map((type) => [type, { schema: { type: "string" } }]));

const json = (schema: object) => ({ "application/json": { schema } });

/** JSON Schema of `schema`; named schemas are moved to `schemas` and referred to. */
function schemaOf(schema: z.ZodType, io: "input" | "output", schemas: Record<string, JsonSchema>): JsonSchema {
  const text = JSON.stringify(
    z.toJSONSchema(schema, {
      io,
      unrepresentable: "any",
      // Zod leaves it out where something goes before parsing.
      override: ({ zodSchema, jsonSchema }) => {
        const { default: told } = (z.globalRegistry.get(zodSchema) ?? {}) as { default?: unknown };
        if (told !== undefined) jsonSchema.default = told;
      },
    }),
  );
  const {
    $schema,
    $defs = {},
    ...root
  } = JSON.parse(text.replaceAll('"#/$defs/', '"#/components/schemas/')) as JsonSchema;
  Object.assign(schemas, $defs);
  return root;
}
