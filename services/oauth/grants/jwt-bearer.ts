import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";
import { errors, type Provider, type TokenEndpointGrantContext } from "oidc-provider";
// Typed, but outside the library's promise of stable versions: the exact version is pinned.
import {
  buildTokenResponse,
  checkDpopReplay,
  checkDpopRequired,
  resolveRequestedResources,
  validateClientScope,
  validateDpop,
} from "oidc-provider/lib/helpers/grants.js";
import type { TrustedIssuer } from "../../../schemas/oauth.ts";
import type { Accounts } from "../accounts/accounts.ts";
import { digest } from "../digest.ts";
import type { TrustedIssuers } from "../storage/trusted-issuers.ts";
import { tenantOfClient } from "../tenant.ts";

export const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";

const CLOCK_TOLERANCE_SECONDS = 10;
/** How old an assertion may be. */
const AGE_MAX = "10m";

export interface JwtBearerOptions {
  issuers: Pick<TrustedIssuers, "find">;
  accounts: Pick<Accounts, "find">;
}

type Params = { assertion?: string };
type Assertion = JWTPayload & { iss: string; sub: string; jti: string; exp: number };

/**
 * RFC 7523 section 2.1: a JWT of a trusted issuer as authorization grant. The token is bound where a DPoP proof comes
 * along (RFC 9449 section 5).
 */
export function installJwtBearer(provider: Provider, { issuers, accounts }: JwtBearerOptions): void {
  const handler = async (ctx: TokenEndpointGrantContext<Params>) => {
    const dPoP = await validateDpop(provider, ctx);
    checkDpopRequired(provider, ctx, dPoP);
    const { client } = ctx.oidc;
    const { payload, trusted } = await verifyAssertion(provider, ctx, issuers);
    // What a user may do, a user decides.
    if (await accounts.find(payload.sub)) throw new errors.InvalidGrant("assertion subject is a user");

    const [resourceServer, ...more] = await resolveRequestedResources(provider, ctx);
    if (!resourceServer || more.length > 0) throw new errors.InvalidTarget("exactly one resource is supported");
    const allowed = new Set(trusted.scope.split(" "));
    const scope = [...validateClientScope(provider, ctx)]
      .filter((one) => resourceServer.scopes.has(one) && allowed.has(one))
      .join(" ");

    // One grant for issuer, subject and client, not one for each token: nothing grows, and one entry ends it.
    const grantId = digest(JSON.stringify([tenantOfClient(client), payload.iss, payload.sub, client.clientId]));
    const token = new provider.AccessToken({ accountId: payload.sub, client, grantId, gty: "jwt_bearer", scope });
    token.resourceServer = resourceServer;
    if (dPoP) {
      await checkDpopReplay(provider, ctx, dPoP, client.clientId);
      token.setThumbprint("jkt", dPoP.thumbprint);
    }
    ctx.oidc.entity("AccessToken", token);
    ctx.body = buildTokenResponse(provider, {
      accessToken: await token.save(),
      tokenType: token.tokenType,
      expiresIn: token.expiration,
      scope: token.scope || undefined,
    });
  };
  provider.registerGrantType<Params>(JWT_BEARER, handler, ["assertion", "scope", "resource"], ["resource"]);
}

/**
 * RFC 7523 section 3: iss, sub, aud, exp and signature; `jti` and `iat` are asked for as well, so that it is used once.
 *
 * @throws InvalidGrant
 */
async function verifyAssertion(
  provider: Provider,
  ctx: TokenEndpointGrantContext<Params>,
  issuers: JwtBearerOptions["issuers"],
): Promise<{ payload: Assertion; trusted: TrustedIssuer }> {
  const { assertion } = ctx.oidc.params;
  if (!assertion) throw new errors.InvalidRequest("missing required parameter(s) 'assertion'");
  const issuer = claimedIssuer(assertion);
  const trusted = await issuers.find(tenantOfClient(ctx.oidc.client), issuer);
  if (!trusted) throw new errors.InvalidGrant("assertion issuer is not trusted");
  const payload = await jwtVerify<Assertion>(assertion, createLocalJWKSet(trusted.jwks as unknown as JSONWebKeySet), {
    algorithms: trusted.algorithms,
    issuer,
    audience: [provider.issuer, provider.urlFor("token")],
    requiredClaims: ["sub", "exp", "iat", "jti"],
    maxTokenAge: AGE_MAX,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  }).then(
    (verified) => verified.payload,
    (cause: Error) => {
      throw new errors.InvalidGrant(`assertion: ${cause.message}`);
    },
  );
  if (typeof payload.sub !== "string" || payload.sub.length > 256 || !payload.sub.startsWith(trusted.subjectPrefix))
    throw new errors.InvalidGrant("issuer may not vouch for this subject");
  if (typeof payload.jti !== "string") throw new errors.InvalidGrant("assertion: jti must be text");
  const first = await provider.ReplayDetection.unique(payload.iss, payload.jti, payload.exp + CLOCK_TOLERANCE_SECONDS);
  if (!first) throw new errors.InvalidGrant("assertion was used before");
  return { payload, trusted };
}

function claimedIssuer(assertion: string): string {
  try {
    return String(decodeJwt(assertion).iss);
  } catch {
    throw new errors.InvalidGrant("assertion is not a JWT");
  }
}
