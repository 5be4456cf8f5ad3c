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
/** Metrics are of all tenants together. */
export const METRICS_SCOPE = "metrics:read";

const ROUTE = /^(GET|POST|PUT|PATCH|DELETE) \//;
/** A colon that begins no parameter, as in `/devices:batch`. */
const INNER_COLON = /(?<!\/):/g;

/** An action as a node announces it. */
export interface AnnouncedAction {
  name: string;
  action?: { rest?: unknown; scope?: unknown; lines?: boolean; visibility?: string };
}

/** A route, `GET /v1/devices/:deviceId`, and the scope of its action. */
export interface ScopedRoute {
  route: string;
  scope?: string | undefined;
}

const scoped = (rest: string, scope: unknown): ScopedRoute => ({
  route: rest.replace(" ", ` ${API_BASE}`),
  scope: typeof scope === "string" ? scope : undefined,
});

/** The gateway's own routes and those of its contracts. */
export const scopedRoutes = (contracts: readonly ServiceContract[]): ScopedRoute[] => [
  ...Object.entries(OWN_ALIASES).map(([route, action]) => ({
    route,
    scope: action === OWN_ALIASES["GET /metrics"] ? METRICS_SCOPE : undefined,
  })),
  ...contracts.flatMap(({ actions }) =>
    Object.values(actions).flatMap(({ rest, scope }) => (rest ? [scoped(rest, scope)] : [])),
  ),
];

/** The route of an action as a node announces it; undefined where it has none. */
export const announcedRoute = ({
  action: { rest, scope, visibility } = {},
}: AnnouncedAction): ScopedRoute | undefined =>
  typeof rest === "string" && ROUTE.test(rest) && visibility === "published" ? scoped(rest, scope) : undefined;

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
