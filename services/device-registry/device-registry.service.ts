import { randomUUID } from "node:crypto";
import type { Model } from "mongoose";
import { cursorOf, placeOf } from "../../lib/cursor.ts";
import { tenantOf } from "../../lib/meta.ts";
import { defineService } from "../../lib/service.ts";
import { documentStore } from "../../mixins/document-store.mixin.ts";
import { DeviceId } from "../../schemas/common.ts";
import { deviceRegistry } from "../../schemas/device-registry.ts";
import { digestOf, newSecret } from "./credential.ts";
import { type DeviceDocument, deviceModel, keyOf } from "./device.model.ts";
import { deviceOf } from "./device.ts";
import { CredentialRefusedError, DeviceExistsError, DeviceNotFoundError } from "./errors.ts";

const DUPLICATE_KEY = 11_000;
/** What its cursors are bound to. */
const LIST = "devices";

export default defineService(deviceRegistry, {
  mixins: [documentStore],
  state: () => ({ devices: undefined as unknown as Model<DeviceDocument> }),

  async started() {
    this.devices = deviceModel(this.documents);
    await this.devices.init();
  },

  actions: {
    async register(ctx) {
      const { id: deviceId = randomUUID(), groups = [], tags = {}, ...rest } = ctx.params;
      const tenantId = tenantOf(ctx);
      const device: DeviceDocument = {
        _id: keyOf(tenantId, deviceId),
        tenantId,
        deviceId,
        ...(rest.name === undefined ? {} : { name: rest.name }),
        ...(rest.type === undefined ? {} : { type: rest.type }),
        groups,
        tags: Object.entries(tags).map(([name, value]) => ({ name, value })),
        createdAt: new Date(),
        sessionEpoch: 0,
      };
      try {
        await this.devices.create(device);
      } catch (error) {
        if ((error as { code?: number }).code === DUPLICATE_KEY) throw new DeviceExistsError(deviceId);
        throw error;
      }
      ctx.meta.$location = `/v1/devices/${encodeURIComponent(deviceId)}`;
      return deviceOf(device);
    },

    async list(ctx) {
      const { cursor, limit } = ctx.params;
      const tenantId = tenantOf(ctx);
      const after = cursor === undefined ? undefined : placeOf(cursor, LIST, DeviceId);
      const found = await this.devices
        .find({ tenantId, ...(after === undefined ? {} : { deviceId: { $gt: after } }) })
        .sort({ deviceId: 1 })
        .limit(limit + 1)
        .lean();
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        items: page.map(deviceOf),
        ...(found.length > limit && last ? { nextCursor: cursorOf(last.deviceId, LIST) } : {}),
      };
    },

    async get(ctx) {
      const { deviceId } = ctx.params;
      const device = await this.devices.findById(keyOf(tenantOf(ctx), deviceId)).lean();
      if (!device) throw new DeviceNotFoundError(deviceId);
      return deviceOf(device);
    },

    async delete(ctx) {
      const { deviceId } = ctx.params;
      const { deletedCount } = await this.devices.deleteOne({ _id: keyOf(tenantOf(ctx), deviceId) });
      if (deletedCount === 0) throw new DeviceNotFoundError(deviceId);
    },

    async issueCredential(ctx) {
      const { deviceId } = ctx.params;
      const secret = newSecret();
      const credential = {
        credentialId: randomUUID(),
        kind: "access-token" as const,
        digest: digestOf(secret),
        createdAt: new Date(),
      };
      const { matchedCount } = await this.devices.updateOne(
        { _id: keyOf(tenantOf(ctx), deviceId) },
        { $set: { credential } },
      );
      if (matchedCount === 0) throw new DeviceNotFoundError(deviceId);
      const { credentialId, kind, createdAt } = credential;
      ctx.meta.$location = `/v1/devices/${encodeURIComponent(deviceId)}/credentials/${credentialId}`;
      return { credentialId, kind, secret, createdAt: createdAt.toISOString() };
    },

    async authenticate(ctx) {
      const { tenantId, deviceId, secret } = ctx.params;
      // One step: a credential replaced in between opens no session.
      const device = await this.devices
        .findOneAndUpdate(
          { _id: keyOf(tenantId, deviceId), "credential.digest": digestOf(secret) },
          { $inc: { sessionEpoch: 1 } },
          { returnDocument: "after" },
        )
        .lean();
      if (!device) throw new CredentialRefusedError();
      return { tenantId, deviceId, sessionEpoch: device.sessionEpoch };
    },
  },
});
