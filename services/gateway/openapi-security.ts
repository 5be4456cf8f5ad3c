import type { Access } from "./access.ts";

const DPOP_PARAMETER = { $ref: "#/components/parameters/DPoP" };

/**
 * How a caller gets a token and sends it: OpenAPI's security schemes and the header of the proof, for the document's
 * `components`.
 */
export function securityComponents(issuer: string, scopes: readonly string[]) {
  const all = Object.fromEntries([...scopes].sort().map((scope) => [scope, describe(scope)]));
  const tokenUrl = `${issuer}/oauth/token`;
  return {
    securitySchemes: {
      oauth2: {
        type: "oauth2",
        description: "Access token as `Authorization: Bearer …` (RFC 6750); not for tokens that are bound to a key.",
        flows: {
          authorizationCode: {
            authorizationUrl: `${issuer}/oauth/auth`,
            tokenUrl,
            refreshUrl: tokenUrl,
            scopes: all,
          },
          clientCredentials: { tokenUrl, scopes: all },
        },
      },
      openIdConnect: { type: "openIdConnect", openIdConnectUrl: `${issuer}/.well-known/openid-configuration` },
      dpop: {
        type: "http",
        scheme: "DPoP",
        description:
          "Access token that is bound to a key, as `Authorization: DPoP …`, with a proof in the header `DPoP` (RFC 9449).",
      },
    },
    parameters: {
      DPoP: {
        name: "DPoP",
        in: "header",
        required: false,
        description: "Proof of the key that the access token is bound to (RFC 9449): once per request, with `ath`.",
        schema: { type: "string", maxLength: 16_384 },
      },
    },
  };
}

/** The operation with what it asks for. */
export function secured(operation: Record<string, unknown>, access: Access | undefined): Record<string, unknown> {
  if (access === undefined || access === "public") return { ...operation, security: [] };
  const scopes = [access.scope];
  return {
    ...operation,
    security: [{ oauth2: scopes }, { openIdConnect: scopes }, { dpop: scopes }],
    parameters: [...((operation["parameters"] as object[] | undefined) ?? []), DPOP_PARAMETER],
  };
}

/** `devices:read` → Read devices. */
function describe(scope: string): string {
  const [what = "", how = ""] = scope.split(":");
  return `${how.charAt(0).toUpperCase()}${how.slice(1)} ${what.replaceAll("-", " ")}`.trim();
}
