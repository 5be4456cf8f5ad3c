import { tenantOf } from "../../../lib/meta.ts";
import { TrustedIssuerNotFoundError } from "../errors.ts";
import { oauthActions } from "../oauth.ts";

const ISSUERS_MAX = 1000;

/** Issuers of assertions, as an administrator of the tenant has them. */
export const trustedIssuerActions = oauthActions({
  async putTrustedIssuer(ctx) {
    const { stores } = await this.identity();
    await stores.trustedIssuers.put(tenantOf(ctx), ctx.params);
    return ctx.params;
  },

  async listTrustedIssuers(ctx) {
    const { stores } = await this.identity();
    return { items: await stores.trustedIssuers.list(tenantOf(ctx), ISSUERS_MAX) };
  },

  async deleteTrustedIssuer(ctx) {
    const { stores } = await this.identity();
    if (!(await stores.trustedIssuers.remove(tenantOf(ctx), ctx.params.issuer)))
      throw new TrustedIssuerNotFoundError(ctx.params.issuer);
  },
});
