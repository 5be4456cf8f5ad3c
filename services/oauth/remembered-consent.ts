import type { Model } from "mongoose";
import type { Configuration, Grant } from "oidc-provider";
import type { RecordDocument } from "./storage/record.model.ts";

type LoadGrant = NonNullable<Configuration["loadExistingGrant"]>;

/** Of a grant: what was allowed. */
interface Allowed {
  openid?: { scope?: string; claims?: string[] };
  resources?: Record<string, string>;
}

/**
 * What a user allowed an app is not asked again in another browser or after a logout. Each login has a grant of its own
 * all the same, so that ending one leaves the others.
 */
export const rememberedConsent =
  (records: Model<RecordDocument>): LoadGrant =>
  async ({ oidc: { client, session, result, provider } }) => {
    if (!client || !session?.accountId) return undefined;
    const { Grant: Grants } = provider;
    const own = result?.consent?.grantId ?? session.grantIdFor(client.clientId);
    if (own) {
      const grant = await Grants.find(own);
      // Of the user who was signed in before.
      if (grant?.accountId === session.accountId) return grant;
    }
    const { clientId } = client;
    const before = await records
      .findOne({ kind: "Grant", accountId: session.accountId, clientId, expireAt: { $gt: new Date() } })
      .sort({ expireAt: -1 })
      .lean<RecordDocument>();
    return before
      ? again(new Grants({ accountId: session.accountId, clientId }), JSON.parse(before.payload))
      : undefined;
  };

async function again(grant: Grant, { openid, resources = {} }: Allowed): Promise<Grant> {
  if (openid?.scope) grant.addOIDCScope(openid.scope);
  if (openid?.claims) grant.addOIDCClaims(openid.claims);
  for (const [resource, scope] of Object.entries(resources)) grant.addResourceScope(resource, scope);
  await grant.save();
  return grant;
}
