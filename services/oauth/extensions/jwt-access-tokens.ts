import type { KoaContextWithOIDC, Provider } from "oidc-provider";
import type { AccessTokens } from "../access-tokens.ts";

const isJwt = (token: string) => token.split(".").length === 3;

/**
 * Makes the JWT access tokens, which are not stored, known to the endpoints that take one: userinfo (OpenID Connect Core
 * section 5.3), introspection (RFC 7662) and revocation (RFC 7009). The library has them find opaque tokens only.
 */
export function jwtAccessTokens(provider: Provider, tokens: AccessTokens): void {
  findJwts(provider, tokens);
  endGrants(provider, tokens);
  introspectAndRevoke(provider, tokens);
}

/** For userinfo, which asks for a token without audience. */
function findJwts(provider: Provider, tokens: AccessTokens): void {
  const { AccessToken } = provider;
  const find = AccessToken.find;
  AccessToken.find = async function (this: typeof AccessToken, value, options) {
    if (typeof value !== "string" || !isJwt(value)) return find.call(this, value, options);
    const claims = await tokens.read(value);
    if (!claims) return undefined;
    const { jti, iat, exp, client_id: clientId, sub: accountId, gid: grantId, scope, cnf } = claims;
    return new AccessToken({
      ...{ jti, iat, exp, clientId, accountId, grantId },
      ...(scope !== undefined && { scope }),
      ...(cnf?.jkt !== undefined && { jkt: cnf.jkt }),
    } as unknown as ConstructorParameters<typeof AccessToken>[0]);
  } as typeof find;
}

const ending = new WeakMap<object, Promise<void>>();

/** With a refresh token that is revoked, or a code or refresh token seen twice, its access tokens end (RFC 7009 section 2.1). */
function endGrants(provider: Provider, tokens: AccessTokens): void {
  provider.on("grant.revoked", (ctx, grantId) => {
    ending.set(ctx, tokens.revokeGrant(grantId));
  });
  provider.use(async (ctx, next) => {
    await next();
    // Before it is answered, or the caller could use them still.
    await ending.get(ctx);
  });
}

function introspectAndRevoke(provider: Provider, tokens: AccessTokens): void {
  provider.use(async (ctx, next) => {
    await next();
    const { route, client, params } = (ctx as KoaContextWithOIDC).oidc ?? {};
    if (!client || (route !== "introspection" && route !== "revocation")) return;
    // The library has authenticated the client before it says so.
    if ((ctx.body as { error?: string } | undefined)?.error !== "unsupported_token_type") return;
    const claims = await tokens.read(String(params?.["token"]));
    const own = claims?.client_id === client.clientId;
    ctx.status = 200;
    if (route === "revocation") {
      if (claims && own) await tokens.revoke(claims);
      // Of an unknown token, too (RFC 7009 section 2.2).
      ctx.body = "";
      return;
    }
    // A public client proves nothing of itself, so that it may look at its own only (RFC 7662 section 4), and none
    // looks into another tenant.
    const shown = claims && (own || (client.clientAuthMethod !== "none" && claims.tenant === client["tenant"]));
    ctx.body = shown ? { active: true, ...claims, token_type: claims.cnf?.jkt ? "DPoP" : "Bearer" } : { active: false };
  });
}
