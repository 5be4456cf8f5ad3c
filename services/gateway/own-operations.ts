const answer = (description: string, type = "application/json", schema: object = { type: "object" }) => ({
  responses: {
    200: { description, content: { [type]: { schema } } },
    default: { $ref: "#/components/responses/Problem" },
  },
});
const text = { type: "string" };
const tags = ["gateway"];

/** OpenAPI operations of the gateway's own routes, by path. */
export const OWN_OPERATIONS: Readonly<Record<string, Record<string, unknown>>> = {
  "/": {
    operationId: "gateway.index",
    summary: "What this is",
    tags,
    ...answer("Name, version and where the API is."),
  },
  "/openapi.json": { operationId: "gateway.openapi", summary: "This document", tags, ...answer("OpenAPI 3.1.") },
  "/health/live": {
    operationId: "gateway.live",
    summary: "Whether the process answers",
    tags,
    ...answer("It does."),
  },
  "/health/ready": {
    operationId: "gateway.ready",
    summary: "Whether the platform can do its work; 503 with the reasons where not",
    tags,
    ...answer("It can."),
  },
  "/metrics": {
    operationId: "gateway.metrics",
    summary: "Metrics of the platform in Prometheus' text format",
    tags,
    ...answer("Metrics.", "text/plain", text),
  },
};
