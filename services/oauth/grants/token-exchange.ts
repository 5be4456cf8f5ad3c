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
import { type AccessTokenClaims, type AccessTokens, type Actor, grantOfToken } from "../access-tokens.ts";
import { epochSeconds } from "../digest.ts";
import { tenantOfClient } from "../tenant.ts";

export const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const TOKEN_TYPES: ReadonlySet<string> = new Set([ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"]);

/** Actors that one behind the other may act for a subject. */
const ACTORS_MAX = 4;

type Params = Partial<
  Record<
    | "subject_token"
    | "subject_token_type"
    | "actor_token"
    | "actor_token_type"
    | "requested_token_type"
    | "audience"
    | "scope",
    string
  >
>;

export interface TokenExchangeOptions {
  tokens: Pick<AccessTokens, "read">;
  audience: string;
  /** Claims of a token beside the library's. */
  actAs: (token: object, act: Actor) => void;
}

/**
 * RFC 8693: a gateway or a service acts for the subject of a token that it was given. What comes of it has the subject's
 * `sub`, no more scopes and no longer a life than the token given, and says in `act` who acts.
 */
export function installTokenExchange(provider: Provider, { tokens, audience, actAs }: TokenExchangeOptions): void {
  const handler = async (ctx: TokenEndpointGrantContext<Params>) => {
    const dPoP = await validateDpop(provider, ctx);
    checkDpopRequired(provider, ctx, dPoP);
    const { client, params } = ctx.oidc;
    checkTarget(params, audience);
    const subject = await tokenOf(ctx, tokens, "subject_token");
    if (subject.cnf?.jkt && !dPoP)
      throw new errors.InvalidRequest("a token that is bound to a key is exchanged for a bound one only: DPoP");
    const actor = params.actor_token === undefined ? undefined : await tokenOf(ctx, tokens, "actor_token");

    const [resourceServer, ...more] = await resolveRequestedResources(provider, ctx);
    if (!resourceServer || more.length > 0) throw new errors.InvalidTarget("exactly one resource is supported");
    const scope = scopeOf(subject, params.scope, [...validateClientScope(provider, ctx)], resourceServer.scopes);

    const token = new provider.AccessToken({
      accountId: String(subject.sub),
      client,
      gty: "token_exchange",
      scope,
      expiresIn: Math.max(1, Math.min(Number(resourceServer.accessTokenTTL), (subject.exp ?? 0) - epochSeconds())),
      // It ends with the grant of the subject's token, or with that token.
      grantId: subject.gid ?? grantOfToken(String(subject.jti)),
    });
    token.resourceServer = resourceServer;
    actAs(token, actorOf(actor?.sub ?? client.clientId, subject.act));
    if (dPoP) {
      await checkDpopReplay(provider, ctx, dPoP, client.clientId);
      token.setThumbprint("jkt", dPoP.thumbprint);
    }
    ctx.oidc.entity("AccessToken", token);
    ctx.body = {
      ...buildTokenResponse(provider, {
        accessToken: await token.save(),
        tokenType: token.tokenType,
        expiresIn: token.expiration,
        scope: token.scope || undefined,
      }),
      issued_token_type: ACCESS_TOKEN,
    };
  };
  provider.registerGrantType<Params>(
    TOKEN_EXCHANGE,
    handler,
    [
      ...["subject_token", "subject_token_type", "actor_token", "actor_token_type"],
      ...["requested_token_type", "audience", "scope", "resource"],
    ],
    ["resource"],
  );
}

/** @throws InvalidTarget, InvalidRequest */
function checkTarget({ audience: wanted, requested_token_type: type }: Params, audience: string): void {
  if (wanted !== undefined && wanted !== audience) throw new errors.InvalidTarget();
  if (type !== undefined && !TOKEN_TYPES.has(type))
    throw new errors.InvalidRequest("requested_token_type is not supported");
}

/** RFC 8693 section 2.2.2: a token that is not good is an invalid request. */
async function tokenOf(
  { oidc: { params, client } }: TokenEndpointGrantContext<Params>,
  tokens: Pick<AccessTokens, "read">,
  name: "subject_token" | "actor_token",
): Promise<AccessTokenClaims> {
  const token = params[name];
  if (!token) throw new errors.InvalidRequest(`missing required parameter(s) '${name}'`);
  if (!TOKEN_TYPES.has(params[`${name}_type`] ?? "")) throw new errors.InvalidRequest(`${name}_type is not supported`);
  const claims = await tokens.read(token);
  // One of another tenant is not told from one that is no token.
  if (!claims || claims.tenant !== tenantOfClient(client)) throw new errors.InvalidRequest(`${name} is not valid`);
  return claims;
}

/** @throws InvalidScope where more is asked for than the subject's token has */
function scopeOf(
  subject: AccessTokenClaims,
  asked: string | undefined,
  allowed: readonly string[],
  known: ReadonlySet<string>,
): string {
  const had = subject.scope?.split(" ") ?? [];
  const beyond = asked?.split(" ").find((one) => !had.includes(one));
  if (beyond !== undefined) throw new errors.InvalidScope("requested scope is not the subject token's", beyond);
  const wanted = asked === undefined ? had : allowed;
  // The claims of the user are for whom the user gave them to.
  return wanted.filter((one) => known.has(one) && !IDENTITY.has(one)).join(" ");
}

const IDENTITY: ReadonlySet<string> = new Set(["openid", "offline_access", "email", "profile"]);

/** @throws InvalidRequest where the chain is too long */
function actorOf(sub: string, former: Actor | undefined): Actor {
  let actors = 1;
  for (let actor = former; actor; actor = actor.act) actors++;
  if (actors > ACTORS_MAX) throw new errors.InvalidRequest(`more than ${ACTORS_MAX} actors`);
  return { sub, ...(former && { act: former }) };
}
