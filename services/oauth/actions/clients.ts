import { tenantOf } from "../../../lib/meta.ts";
import { makeSecret } from "../client-secret.ts";
import { ClientNotFoundError, ClientWithoutSecretError } from "../errors.ts";
import { oauthActions } from "../oauth.ts";

const CLIENTS_MAX = 1000;

/** Clients, as an administrator of the tenant has them. */
export const clientActions = oauthActions({
  async createClient(ctx) {
    const client = await (await this.identity()).createClient(tenantOf(ctx), ctx.params);
    ctx.meta.$location = `/v1/clients/${client.client_id}`;
    return client;
  },

  async listClients(ctx) {
    const identity = await this.identity();
    return { items: (await identity.clients.list(tenantOf(ctx), CLIENTS_MAX)).map(identity.shown) };
  },

  async getClient(ctx) {
    const identity = await this.identity();
    const client = await identity.clients.ofTenant(tenantOf(ctx), ctx.params.clientId);
    if (!client) throw new ClientNotFoundError(ctx.params.clientId);
    return identity.shown(client);
  },

  async renewClientSecret(ctx) {
    const { clients } = await this.identity();
    const { clientId } = ctx.params;
    const secret = makeSecret();
    if (await clients.setSecret(tenantOf(ctx), clientId, secret)) return { client_id: clientId, client_secret: secret };
    if (await clients.ofTenant(tenantOf(ctx), clientId)) throw new ClientWithoutSecretError(clientId);
    throw new ClientNotFoundError(clientId);
  },

  async deleteClient(ctx) {
    const { clients } = await this.identity();
    if (!(await clients.ofTenant(tenantOf(ctx), ctx.params.clientId)))
      throw new ClientNotFoundError(ctx.params.clientId);
    await clients.destroy(ctx.params.clientId);
  },

  async createInitialAccessToken(ctx) {
    const identity = await this.identity();
    const { scope = "openid", expiresInSeconds } = ctx.params;
    const token = await identity.allowRegistrations({ tenant: tenantOf(ctx), scope }, expiresInSeconds);
    ctx.meta.$location = "/oauth/reg";
    const expiresAt = new Date(Date.now() + expiresInSeconds * 1000).toISOString();
    return { initialAccessToken: token, expiresAt };
  },
});
