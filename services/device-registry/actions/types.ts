import { Errors } from "moleculer";
import { boundedJson } from "../../../lib/bounded-json.ts";
import { cursorOf, placeOf } from "../../../lib/cursor.ts";
import { JSON_DEPTH_MAX } from "../../../lib/json-fault.ts";
import { tenantOf } from "../../../lib/meta.ts";
import { problemsOf } from "../../../lib/telemetry-schema.ts";
import { TypeId } from "../../../schemas/device-type.ts";
import { deviceTypeOf } from "../device-type.model.ts";
import { DeviceTypeNotFoundError } from "../errors.ts";
import { registryActions } from "../registry.ts";

/** Wrong places of a schema that are told at once. */
const PROBLEMS_MAX = 10;

/** What devices of a kind send. */
export const typeActions = registryActions({
  async putType(ctx) {
    const tenantId = tenantOf(ctx);
    const { typeId, telemetrySchema, metrics, retentionDays } = ctx.params;
    const bounds = { bytesMax: this.settings.schemaBytesMax, depthMax: JSON_DEPTH_MAX };
    const text = telemetrySchema && boundedJson(telemetrySchema, "telemetrySchema", bounds);
    const problems = telemetrySchema ? await problemsOf(telemetrySchema) : [];
    if (problems.length > 0)
      throw new Errors.ValidationError("Invalid parameters.", "VALIDATION_ERROR", problems.slice(0, PROBLEMS_MAX));
    const type = await this.types.put(tenantId, typeId, {
      ...(text === undefined ? {} : { telemetrySchema: text }),
      ...(metrics === undefined ? {} : { metrics: JSON.stringify(metrics) }),
      ...(retentionDays === undefined ? {} : { retentionDays }),
      updatedAt: new Date(),
    });
    await this.broker.broadcast("device-type.changed", { tenantId, typeId });
    if (type.version === 1) {
      ctx.meta.$statusCode = 201;
      ctx.meta.$location = `/v1/device-types/${encodeURIComponent(typeId)}`;
    }
    return deviceTypeOf(type);
  },

  async getType(ctx) {
    const { typeId } = ctx.params;
    const type = await this.types.find(tenantOf(ctx), typeId);
    if (!type) throw new DeviceTypeNotFoundError(typeId);
    return deviceTypeOf(type);
  },

  async listTypes(ctx) {
    const { cursor, limit } = ctx.params;
    const tenantId = tenantOf(ctx);
    const list = ["device-types", tenantId];
    const after = cursor === undefined ? undefined : placeOf(cursor, list, TypeId);
    const found = await this.types.list(tenantId, after, limit + 1);
    const last = found[limit - 1];
    return {
      items: found.slice(0, limit).map(deviceTypeOf),
      ...(found.length > limit && last ? { nextCursor: cursorOf(last.typeId, list) } : {}),
    };
  },

  async deleteType(ctx) {
    const tenantId = tenantOf(ctx);
    const { typeId } = ctx.params;
    await this.types.delete(tenantId, typeId);
    await this.broker.broadcast("device-type.changed", { tenantId, typeId });
  },

  async telemetrySchema(ctx) {
    const type = await this.types.find(tenantOf(ctx), ctx.params.typeId);
    if (type?.telemetrySchema === undefined) return null;
    return { version: type.version, schema: JSON.parse(type.telemetrySchema) as Record<string, unknown> };
  },
});
