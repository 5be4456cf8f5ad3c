import { randomUUID } from "node:crypto";
import { tenantOf } from "../../../lib/meta.ts";
import { readBatch, registerLines } from "../batch.ts";
import { deviceOf, documentOf, fullDeviceOf } from "../device.ts";
import { registryActions, view } from "../registry.ts";

/** Devices themselves. */
export const deviceActions = registryActions({
  async register(ctx) {
    const { id: deviceId = randomUUID() } = ctx.params;
    const device = documentOf(tenantOf(ctx), ctx.params, deviceId, new Date());
    await this.devices.insert(device);
    ctx.meta.$location = `/v1/devices/${encodeURIComponent(deviceId)}`;
    return deviceOf(device, view(this.settings));
  },

  async registerBatch(ctx) {
    const { batchLinesMax: linesMax, batchBytesMax: bytesMax } = this.settings;
    const lines = await readBatch(ctx.stream as unknown as AsyncIterable<Buffer>, { linesMax, bytesMax });
    const results = await registerLines(lines, {
      tenantId: tenantOf(ctx),
      now: new Date(),
      newId: randomUUID,
      insertNew: (devices) => this.devices.insertNew(devices),
    });
    const registered = results.filter(({ status }) => status === 201).length;
    return { registered, failed: results.length - registered, results };
  },

  async get(ctx) {
    return fullDeviceOf(await this.devices.get(tenantOf(ctx), ctx.params.deviceId), view(this.settings));
  },

  async update(ctx) {
    const tenantId = tenantOf(ctx);
    const { deviceId, status } = ctx.params;
    const device = await this.devices.change(tenantId, ctx.params);
    if (status === "active") await this.broker.broadcast("device.access-granted", { tenantId, deviceId });
    if (status === "suspended") await this.broker.broadcast("device.access-revoked", { tenantId, deviceId });
    return fullDeviceOf(device, view(this.settings));
  },

  async delete(ctx) {
    const tenantId = tenantOf(ctx);
    const { deviceId, readings } = ctx.params;
    const device = await this.deletion.begin(tenantId, deviceId, new Date(), readings === "delete");
    await this.broker.broadcast("device.access-revoked", { tenantId, deviceId });
    await this.deletion.finish(device);
  },
});
