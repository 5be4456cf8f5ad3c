import type { ServiceContract } from "../../lib/contract.ts";

/** Where the API begins; the version is that of the contracts as a whole. */
export const API_BASE = "/v1";

/** Paths outside the API, answered by the gateway's own actions. */
export const OWN_ALIASES = {
  "GET /": "gateway.index",
  "GET /openapi.json": "gateway.openapi",
  "GET /health/live": "gateway.live",
  "GET /health/ready": "gateway.ready",
  "GET /metrics": "gateway.metrics",
};

/** A colon that begins no parameter, as in `/devices:batch`. */
const INNER_COLON = /(?<!\/):/g;

/** `{"GET /devices/:deviceId": "device-registry.get"}` of every action that has a route. */
export const aliasesOf = (contracts: readonly ServiceContract[]): Record<string, string> =>
  Object.fromEntries(
    contracts.flatMap(({ name, actions }) =>
      Object.entries(actions).flatMap(([action, { rest, lines }]) =>
        rest ? [[rest.replace(INNER_COLON, "\\:"), `${lines ? "stream:" : ""}${name}.${action}`]] : [],
      ),
    ),
  );
