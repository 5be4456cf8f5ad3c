import { boundedJson } from "../../../lib/bounded-json.ts";
import { JSON_DEPTH_MAX } from "../../../lib/json-fault.ts";
import { tenantOf } from "../../../lib/meta.ts";
import { deviceConfigOf } from "../device-config.model.ts";
import { ConfigNotFoundError } from "../errors.ts";
import { registryActions } from "../registry.ts";

/** What a device is to do. */
export const configActions = registryActions({
  async putConfig(ctx) {
    const tenantId = tenantOf(ctx);
    const { deviceId, config, expectedVersion } = ctx.params;
    const bounds = { bytesMax: this.settings.configBytesMax, depthMax: JSON_DEPTH_MAX };
    const text = boundedJson(config, "config", bounds);
    const device = await this.devices.get(tenantId, deviceId);
    const stored = await this.configs.put(device, text, expectedVersion, new Date());
    await this.broker.broadcast("device.config-changed", { tenantId, deviceId });
    return deviceConfigOf(stored);
  },

  async getConfig(ctx) {
    const { deviceId } = ctx.params;
    const found = await this.configs.find(await this.devices.get(tenantOf(ctx), deviceId));
    if (!found) throw new ConfigNotFoundError(deviceId);
    return deviceConfigOf(found);
  },

  async configuredSince(ctx) {
    const { since, after, limit } = ctx.params;
    return this.configs.changedSince(new Date(since), after, limit);
  },

  async config(ctx) {
    const device = await this.devices.find(tenantOf(ctx), ctx.params.deviceId);
    const found = device && (await this.configs.find(device));
    return found ? deviceConfigOf(found) : null;
  },
});
