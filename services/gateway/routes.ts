import type { ServiceContract } from "../../lib/contract.ts";
import { endpoints } from "../../schemas/oauth-endpoints.ts";

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

/** Routes of the authorization server. Preflights of what other origins may call are its own to answer. */
export const OAUTH_ALIASES: Readonly<Record<string, string>> = Object.fromEntries(
  endpoints.flatMap(([name, { routes, crossOrigin }]) =>
    [...routes, ...(crossOrigin ? routes.slice(0, 1).map((route) => route.replace(/^\S+/, "OPTIONS")) : [])].map(
      (route): [string, string] => [route, `oauth.${name}`],
    ),
  ),
);

const ROUTE = /^(GET|POST|PUT|PATCH|DELETE) \//;
/** A colon that begins no parameter, as in `/devices:batch`. */
const INNER_COLON = /(?<!\/):/g;

/** An action as a node announces it. */
export interface AnnouncedAction {
  name: string;
  action?: { rest?: unknown; lines?: boolean; visibility?: string };
}

/** Routes of announced actions that the gateway has no contract of: those of services that were written later than it. */
export const announcedAliases = (
  actions: readonly AnnouncedAction[],
  known: Readonly<Record<string, string>>,
): Record<string, string> => {
  const mine = new Set(Object.values(known).map((target) => target.replace(/^stream:/, "")));
  return Object.fromEntries(
    actions
      .flatMap(({ name, action: { rest, lines, visibility } = {} }): [string, string][] =>
        typeof rest === "string" && ROUTE.test(rest) && visibility === "published" && !mine.has(name)
          ? [[rest.replace(INNER_COLON, "\\:"), `${lines ? "stream:" : ""}${name}`]]
          : [],
      )
      .filter(([route]) => !Object.hasOwn(known, route)),
  );
};

/** `{"GET /devices/:deviceId": "device-registry.get"}` of every action that has a route. */
export const aliasesOf = (contracts: readonly ServiceContract[]): Record<string, string> =>
  Object.fromEntries(
    contracts.flatMap(({ name, actions }) =>
      Object.entries(actions).flatMap(([action, { rest, lines }]) =>
        rest ? [[rest.replace(INNER_COLON, "\\:"), `${lines ? "stream:" : ""}${name}.${action}`]] : [],
      ),
    ),
  );
