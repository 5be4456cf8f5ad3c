import { type ClientMetadata, errors, type KoaContextWithOIDC } from "oidc-provider";
import { digest } from "./digest.ts";
import { JWT_BEARER } from "./grants/jwt-bearer.ts";
import { TOKEN_EXCHANGE } from "./grants/token-exchange.ts";
import type { SharedState } from "./storage/shared-state.ts";
import { tenantOfClient } from "./tenant.ts";

/** What an initial access token allows. */
interface Allowed {
  tenant: string;
  scope: string;
}

/** What was said when an initial access token was made: of the token itself the library keeps its end only. */
export class InitialAccess {
  readonly #state: SharedState;

  constructor(state: SharedState) {
    this.#state = state;
  }

  async allow(token: string, allowed: Allowed, seconds: number): Promise<void> {
    await this.#state.set(`initial-access:${digest(token)}`, allowed, seconds);
  }

  async find(token: string): Promise<Allowed | undefined> {
    return this.#state.get<Allowed>(`initial-access:${digest(token)}`);
  }
}

export const POLICY = "registered";

/** Grants that speak for others: an administrator gives them. */
const RESERVED = [JWT_BEARER, TOKEN_EXCHANGE];

/** Holds clients that register themselves to the tenant and the scopes that were allowed; they can't give themselves more. */
export const registrationPolicy = (initialAccess: InitialAccess) => ({
  [POLICY]: async (ctx: KoaContextWithOIDC, properties: ClientMetadata) => {
    const { InitialAccessToken: token, Client: client } = ctx.oidc.entities;
    const allowed = token
      ? await initialAccess.find(token.jti)
      : client && { tenant: tenantOfClient(client), scope: client.scope ?? "openid" };
    if (!allowed) throw new errors.InvalidToken("initial access token not found");
    const reserved = RESERVED.find((grant) => properties.grant_types?.includes(grant));
    if (reserved) throw new errors.InvalidClientMetadata(`grant_types must not have ${reserved}`);
    const within = new Set(allowed.scope.split(" "));
    const wanted = properties.scope?.split(" ") ?? [...within];
    properties["tenant"] = allowed.tenant;
    properties.scope = wanted.filter((scope) => within.has(scope)).join(" ") || "openid";
  },
});
