import type { StreamType } from "./contract.ts";

/** Tenant of calls that carry no credential: the one that first start creates. */
export const DEFAULT_TENANT = "default";

/** Who is acting, as established once by the gateway or an edge and carried along every call. */
export interface Meta {
  /** Tenant of the credential; never taken from a parameter. */
  tenantId?: string;
  /** Of the access token: who it acts for, the client that it was issued to, and what it allows. */
  subject?: string;
  clientId?: string;
  scopes?: readonly string[];
  /** The span that a call belongs to (W3C Trace Context), where it is traced. */
  traceparent?: string;
  /** Where what an action made is found; becomes the header `Location`. */
  $location?: string;
  /** HTTP status, where it is not the contract's. */
  $statusCode?: number;
  /** Media type that the caller wants, one of the contract's `streams`; absent = JSON. */
  $accept?: StreamType;
  /** Content type, where it is not JSON. */
  $responseType?: string;
}

/** The tenant every query begins with. */
export const tenantOf = (ctx: { meta: Meta }): string => ctx.meta.tenantId ?? DEFAULT_TENANT;
