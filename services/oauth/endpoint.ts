import type { EndpointAnswer, EndpointRequest } from "../../schemas/oauth.ts";
import { type EndpointName, OAUTH_ENDPOINTS } from "../../schemas/oauth-endpoints.ts";
import type { AuthorizationServer } from "./authorization-server.ts";
import type { InjectResponse } from "./inject.ts";

/** Of the connection and the moment: the gateway has its own. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  ...["content-length", "transfer-encoding", "connection", "keep-alive", "date"],
]);

/** The path is the endpoint's own, never the caller's. */
const pathOf = (name: EndpointName, path: EndpointRequest["path"]) => {
  const [, route = ""] = OAUTH_ENDPOINTS[name].routes[0].split(" ");
  return route.replace(/:(\w+)/g, (_, parameter: string) => encodeURIComponent(path[parameter] ?? ""));
};

/** Answers a request to an endpoint of the provider. */
export async function answer(
  { issuer, inject }: Pick<AuthorizationServer, "issuer" | "inject">,
  name: EndpointName,
  { method, query, headers, body, path, ip }: EndpointRequest,
): Promise<EndpointAnswer> {
  const { host, protocol } = new URL(issuer);
  const url = pathOf(name, path) + (query ? `?${query}` : "");
  const response = await inject({
    ...{ method, url, body, remoteAddress: ip },
    // Endpoints, cookies and `htu` are derived of the request: never of a host that the caller chose.
    headers: {
      ...headers,
      host,
      "x-forwarded-host": host,
      "x-forwarded-proto": protocol.slice(0, -1),
      "x-forwarded-for": ip,
    },
  });
  return answerOf(response);
}

export const answerOf = ({ status, headers, body }: InjectResponse): EndpointAnswer => ({
  status,
  headers: Object.fromEntries(
    Object.entries(headers)
      .filter(([name, value]) => value !== undefined && !HOP_BY_HOP.has(name))
      .map(([name, value]) => [name, Array.isArray(value) ? value : String(value)]),
  ),
  body,
});
