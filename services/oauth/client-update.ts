import type { EndpointRequest } from "../../schemas/oauth.ts";
import { isSecret } from "./client-secret.ts";
import type { Clients } from "./storage/clients.ts";

/**
 * A client that updates itself may send its secret along (RFC 7592 section 2.2). The provider compares it with what it
 * holds, which is a digest: where it is the right one it is put in the digest's form, and a wrong one is refused there.
 */
export async function withHeldSecret(request: EndpointRequest, clients: Clients): Promise<EndpointRequest> {
  if (request.method !== "PUT") return request;
  const metadata = parsed(request.body);
  if (metadata?.client_secret === undefined) return request;
  const held = (await clients.find(request.path["clientId"] ?? ""))?.["client_secret"] as string | undefined;
  if (!isSecret(held, metadata.client_secret)) return request;
  return { ...request, body: JSON.stringify({ ...metadata, client_secret: held }) };
}

function parsed(text: string): { client_secret?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
