import type { IncomingMessage, ServerResponse } from "node:http";
import type { EndpointAnswer, EndpointRequest } from "../../schemas/oauth.ts";

/** Headers that a protocol endpoint has a use for; what else came stays here. */
const HEADERS = [
  ...["accept", "accept-language", "authorization", "content-type", "cookie", "dpop", "origin", "user-agent"],
  ...["access-control-request-method", "access-control-request-headers"],
];

interface RawRequest extends IncomingMessage {
  originalUrl?: string;
  /** Text, as it came. */
  body?: unknown;
  $params?: { params?: object };
}

/** Everything raw: in a body that is parsed, parameters that stand twice would be gone, which RFC 6749 section 3.2 forbids. */
export function endpointRequest(request: RawRequest, issuer: string): EndpointRequest {
  const { method = "GET", originalUrl = request.url ?? "/", headers, body, $params } = request;
  const mark = originalUrl.indexOf("?");
  return {
    method,
    query: mark < 0 ? "" : originalUrl.slice(mark + 1),
    headers: Object.fromEntries(
      HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
    ),
    body: typeof body === "string" ? body : "",
    path: { ...$params?.params } as Record<string, string>,
    ip: request.socket.remoteAddress ?? "",
    issuer,
  };
}

/** Writes the answer of an endpoint as it is. */
export function writeAnswer(
  { method }: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: EndpointAnswer,
): void {
  const bodiless = status === 204 || status === 304;
  response.writeHead(status, { ...headers, ...(bodiless ? {} : { "content-length": Buffer.byteLength(body) }) });
  response.end(method === "HEAD" || bodiless ? undefined : body);
}
