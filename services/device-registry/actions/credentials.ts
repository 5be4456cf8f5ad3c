import { randomUUID } from "node:crypto";
import { tenantOf } from "../../../lib/meta.ts";
import { brokerHashOf, credentialOf, credentialsOf, digestOf, newSecret } from "../credential.ts";
import { CredentialRefusedError } from "../errors.ts";
import { registryActions } from "../registry.ts";

/** What devices connect with, and the connection itself. */
export const credentialActions = registryActions({
  async issueCredential(ctx) {
    const { deviceId } = ctx.params;
    const secret = newSecret();
    const credential = {
      credentialId: randomUUID(),
      kind: "access-token" as const,
      digest: digestOf(secret),
      brokerHash: brokerHashOf(secret),
      createdAt: new Date(),
    };
    const tenantId = tenantOf(ctx);
    await this.credentials.add(tenantId, deviceId, credential);
    await this.broker.broadcast("device.access-granted", { tenantId, deviceId });
    const { credentialId } = credential;
    ctx.meta.$location = `/v1/devices/${encodeURIComponent(deviceId)}/credentials/${credentialId}`;
    return { ...credentialOf(credential), secret };
  },

  async listCredentials(ctx) {
    return { items: (await this.credentials.list(tenantOf(ctx), ctx.params.deviceId)).map(credentialOf) };
  },

  async revokeCredential(ctx) {
    const tenantId = tenantOf(ctx);
    const { deviceId, credentialId } = ctx.params;
    await this.credentials.revoke(tenantId, deviceId, credentialId);
    await this.broker.broadcast("device.access-revoked", { tenantId, deviceId, credentialId });
  },

  async authenticate(ctx) {
    const { tenantId, deviceId, secret } = ctx.params;
    const digest = digestOf(secret);
    const device = await this.devices.openSession(tenantId, deviceId, digest);
    const credential = device && credentialsOf(device).find((known) => known.digest === digest);
    if (!credential) throw new CredentialRefusedError();
    const { sessionEpoch, type } = device;
    const { credentialId } = credential;
    return { tenantId, deviceId, sessionEpoch, credentialId, ...(type === undefined ? {} : { type }) };
  },

  async verify(ctx) {
    const { tenantId, deviceId, secret } = ctx.params;
    const digest = digestOf(secret);
    const device = await this.devices.find(tenantId, deviceId);
    const known = device && device.status !== "suspended" && credentialsOf(device).some((one) => one.digest === digest);
    if (!known) throw new CredentialRefusedError();
  },

  async recognise(ctx) {
    const { tenantId, deviceId } = ctx.params;
    const device = await this.devices.find(tenantId, deviceId);
    if (!device) return null;
    const { sessionEpoch, status = "active", type } = device;
    return { sessionEpoch, status, ...(type === undefined ? {} : { type }) };
  },

  async brokerAccounts(ctx) {
    const { after, limit } = ctx.params;
    const devices = await this.devices.after(after, limit);
    const items = devices
      .filter(({ deleting, status }) => deleting === undefined && status !== "suspended")
      .flatMap((device) => {
        const [oldest] = credentialsOf(device);
        const { tenantId, deviceId } = device;
        return oldest ? [{ tenantId, deviceId, hash: oldest.brokerHash ?? null }] : [];
      });
    const next = devices.length < limit ? undefined : devices.at(-1)?._id;
    return { items, ...(next === undefined ? {} : { next }) };
  },
});
