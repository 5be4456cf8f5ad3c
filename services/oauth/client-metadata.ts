import { randomBytes } from "node:crypto";
import { errors, type Provider } from "oidc-provider";
import type { ClientMetadata, OAuthClient } from "../../schemas/oauth.ts";
import { makeSecret } from "./client-secret.ts";
import { epochSeconds } from "./digest.ts";
import { ClientMetadataError } from "./errors.ts";
import type { StoredClient } from "./storage/clients.ts";

/** A client that an administrator registers, with its secret where its authentication has one. */
export function newClient(tenant: string, metadata: ClientMetadata): StoredClient & { client_secret?: string } {
  const withSecret = metadata.token_endpoint_auth_method.startsWith("client_secret");
  const flows = metadata.grant_types.includes("authorization_code");
  return {
    client_id: `c_${randomBytes(12).toString("base64url")}`,
    client_id_issued_at: epochSeconds(),
    ...metadata,
    response_types: flows ? ["code"] : [],
    tenant,
    ...(withSecret && { client_secret: makeSecret(), client_secret_expires_at: 0 }),
  };
}

/** What the provider makes of it. @throws ClientMetadataError naming the field */
export function checkedMetadata(provider: Provider, client: StoredClient): StoredClient {
  try {
    // The types know a client only as it is found.
    const Client = provider.Client as unknown as new (metadata: object) => { metadata(): object };
    return new Client(client).metadata() as StoredClient;
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError)) throw error;
    const message = error.error_description ?? error.message;
    throw new ClientMetadataError(/^\W*(\w+)/.exec(message)?.[1] ?? "", message);
  }
}

const SHOWN = [
  ...["client_id", "client_id_issued_at", "client_name", "grant_types", "redirect_uris", "post_logout_redirect_uris"],
  ...["token_endpoint_auth_method", "application_type", "scope", "jwks", "jwks_uri", "backchannel_logout_uri"],
  ...["backchannel_logout_session_required", "dpop_bound_access_tokens", "require_pushed_authorization_requests"],
];

/** As an administrator sees it. */
export const shownClient = (client: StoredClient): OAuthClient =>
  Object.fromEntries(
    SHOWN.flatMap((name) => (client[name] === undefined ? [] : [[name, client[name]]])),
  ) as OAuthClient;
