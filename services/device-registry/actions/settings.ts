import { tenantOf } from "../../../lib/meta.ts";
import { registryActions } from "../registry.ts";

/** What a tenant decides, and what follows of it and of the types for how long readings are kept. */
export const settingsActions = registryActions({
  getSettings(ctx) {
    return this.tenants.get(tenantOf(ctx));
  },

  async putSettings(ctx) {
    const tenantId = tenantOf(ctx);
    await this.tenants.put(tenantId, ctx.params);
    return this.tenants.get(tenantId);
  },

  async retention(ctx) {
    const { deviceIds } = ctx.params;
    const days = await this.types.retentionOf(tenantOf(ctx), deviceIds);
    return { items: deviceIds.map((deviceId) => ({ deviceId, retentionDays: days.get(deviceId) ?? null })) };
  },

  tenantRetention(ctx) {
    return this.tenants.get(tenantOf(ctx));
  },
});
