import { tenantOf } from "../../../lib/meta.ts";
import { oauthActions } from "../oauth.ts";

/** Keys, users and the deny list. */
export const administrationActions = oauthActions({
  async rotateKeys() {
    const signsFrom = await (await this.identity()).rotateKeys();
    await this.broker.broadcast("oauth.keys-changed", {});
    return { signsFrom: signsFrom.toISOString() };
  },

  async createUser(ctx) {
    const { accounts } = await this.identity();
    const { sub, tenant } = await accounts.create(tenantOf(ctx), ctx.params);
    ctx.meta.$location = `/v1/users/${sub}`;
    return { sub, name: ctx.params.name, tenant };
  },

  async revocations() {
    const { stores } = await this.identity();
    return { items: await stores.revocations.all() };
  },
});
