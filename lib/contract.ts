import type { z } from "zod";

/** What a service promises about one action: the single source for validation, types, routes and OpenAPI. */
export interface ActionContract {
  /** One line for the API document. */
  summary: string;
  params: z.ZodType;
  result: z.ZodType;
  /** OAuth scope the caller's token must carry; absent = internal, or an endpoint that authenticates by its own rules. */
  scope?: string;
  /** Route published by the gateway below `/v1`, e.g. `"GET /devices/:deviceId"`. */
  rest?: string;
  /** The gateway has a route of its own kind to it, outside the API: a protocol's endpoint. */
  endpoint?: boolean;
  /**
   * The body is not a JSON object but lines of JSON (`application/x-ndjson`), each of this shape. The handler reads them
   * from `ctx.stream`; nothing of them is parsed before.
   */
  lines?: z.ZodType;
  /**
   * Media types that the answer may have beside JSON. The handler finds the one that the caller wants in
   * `ctx.meta.$accept` and returns a Readable for it.
   */
  streams?: readonly StreamType[];
  /** An administrative act: what was done by it over HTTP, and by whom, is recorded for good. */
  audited?: true;
  /** HTTP status of success. @default 200 */
  status?: 200 | 201 | 202 | 204;
}

export type StreamType = "text/csv" | "application/x-ndjson";

export interface ServiceContract {
  name: string;
  actions: Record<string, ActionContract>;
}

/** Identity function that keeps literal types. */
export const defineContract = <const C extends ServiceContract>(contract: C): C => contract;

/** `{ name: "device-registry", actions: { get } }` → `{ "device-registry.get": … }`. */
export type ActionsOf<C extends ServiceContract> = {
  [K in keyof C["actions"] & string as `${C["name"]}.${K}`]: C["actions"][K];
};
