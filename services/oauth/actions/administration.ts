import { oauthActions } from "../oauth.ts";

/** Keys and the deny list. */
export const administrationActions = oauthActions({
  async rotateKeys() {
    const signsFrom = await (await this.identity()).rotateKeys();
    await this.broker.broadcast("oauth.keys-changed", {});
    return { signsFrom: signsFrom.toISOString() };
  },

  async revocations() {
    const { stores } = await this.identity();
    return { items: await stores.revocations.all() };
  },
});
