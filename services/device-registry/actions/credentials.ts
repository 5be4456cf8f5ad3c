import { randomUUID } from "node:crypto";
import { tenantOf } from "../../../lib/meta.ts";
import { credentialOf, credentialsOf, digestOf, newSecret } from "../credential.ts";
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
      createdAt: new Date(),
    };
    await this.credentials.add(tenantOf(ctx), deviceId, credential);
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
});
