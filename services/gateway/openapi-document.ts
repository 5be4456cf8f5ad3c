import { isDeepStrictEqual } from "node:util";
import type { ContractOperation } from "../../lib/openapi-operation.ts";
import { type Access, accessOf } from "./access.ts";
import { secured, securityComponents } from "./openapi-security.ts";
import { OWN_OPERATIONS } from "./own-operations.ts";
import { API_BASE, METRICS_SCOPE } from "./routes.ts";

/** A node's services as `$node.services` lists them. */
export interface ListedService {
  name: string;
  actions?: Record<string, { scope?: string; openapi?: ContractOperation | null }>;
}

const problemSchema = {
  type: "object",
  description: "Problem document (RFC 9457).",
  properties: {
    type: { type: "string", format: "uri-reference" },
    title: { type: "string" },
    status: { type: "integer", minimum: 400, maximum: 599 },
    code: { type: "string" },
    detail: { type: "string" },
    requestId: { type: "string" },
    errors: {
      type: "array",
      items: {
        type: "object",
        properties: { field: { type: "string" }, message: { type: "string" } },
        required: ["field", "message"],
      },
    },
  },
  required: ["type", "title", "status", "code"],
};

/**
 * The OpenAPI 3.1 document of every routed action that the nodes announce, and of the gateway's own routes. The same
 * action on several nodes is one.
 *
 * @param issuer of access tokens; left out: no operation asks for one.
 * @throws TypeError where a schema's name means two different things.
 */
export function openapiDocument(
  services: readonly ListedService[],
  version: string,
  issuer?: string,
): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  const schemas: Record<string, unknown> = { Problem: problemSchema };
  const tags = new Set(["gateway"]);
  const scopes = new Set([METRICS_SCOPE]);
  const guarded = (operation: Record<string, unknown>, access: Access | undefined) =>
    issuer === undefined ? operation : secured(operation, access);
  for (const [path, operation] of Object.entries(OWN_OPERATIONS))
    paths[path] = {
      get: guarded(operation, accessOf(`GET ${path}`, path === "/metrics" ? METRICS_SCOPE : undefined)),
    };
  for (const { name, actions = {} } of services.toSorted((a, b) => a.name.localeCompare(b.name)))
    for (const { openapi, scope } of Object.values(actions)) {
      if (!openapi?.path) continue;
      if (scope !== undefined) scopes.add(scope);
      tags.add(name);
      const path = `${API_BASE}${openapi.path}`;
      paths[path] = {
        ...paths[path],
        [openapi.method]: guarded(openapi.operation, scope === undefined ? undefined : { scope }),
      };
      for (const [schemaName, schema] of Object.entries(openapi.schemas)) {
        if (schemas[schemaName] && !isDeepStrictEqual(schemas[schemaName], schema))
          throw new TypeError(`schema '${schemaName}' means two different things`);
        schemas[schemaName] = schema;
      }
    }
  const content = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  return {
    openapi: "3.1.0",
    info: { title: "Ganglion", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    servers: [{ url: "/" }],
    tags: [...tags].map((name) => ({ name })),
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => a.localeCompare(b))),
    components: {
      schemas,
      responses: { Problem: { description: "The request failed.", content } },
      ...(issuer === undefined ? {} : securityComponents(issuer, [...scopes])),
    },
  };
}
