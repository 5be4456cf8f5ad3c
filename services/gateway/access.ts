import { PUBLIC_ROUTES } from "./public-routes.ts";

/** What a route asks of its caller. */
export type Access = "public" | { scope: string };

/** `method` and `fullPath` of moleculer-web's alias. */
export interface RouteAlias {
  method: string;
  fullPath: string;
  action?: string | null;
}

/** `GET /v1/devices/:deviceId`; the framework's path has a backslash before a colon that begins no parameter. */
export const routeOf = ({ method, fullPath }: RouteAlias): string => `${method} ${fullPath.replaceAll("\\", "")}`;

/**
 * The scope of the route's action; none is needed only where the list of public routes says so.
 *
 * @returns undefined where the route may not be served at all.
 */
export function accessOf(route: string, scope: string | undefined): Access | undefined {
  const isPublic = PUBLIC_ROUTES.includes(route);
  if (scope === undefined) return isPublic ? "public" : undefined;
  return isPublic ? undefined : { scope };
}
