import { type Connection, type Model, Schema } from "mongoose";
import type { DeviceType } from "../../schemas/device-type.ts";

/** A device type as stored; `_id` is `tenant/type`. What callers name freely is kept as JSON text. */
export interface DeviceTypeDocument {
  _id: string;
  tenantId: string;
  typeId: string;
  telemetrySchema?: string;
  metrics?: string;
  retentionDays?: number;
  version: number;
  updatedAt: Date;
}

const schema = new Schema<DeviceTypeDocument>(
  {
    _id: { type: String, required: true },
    tenantId: { type: String, required: true },
    typeId: { type: String, required: true },
    telemetrySchema: String,
    metrics: String,
    retentionDays: Number,
    version: { type: Number, required: true },
    updatedAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "device-types" },
);
schema.index({ tenantId: 1, typeId: 1 }, { unique: true });

export const deviceTypeModel = (connection: Connection): Model<DeviceTypeDocument> =>
  connection.model<DeviceTypeDocument>("DeviceType", schema);

/** As callers see it. */
export const deviceTypeOf = (document: DeviceTypeDocument): DeviceType => {
  const { typeId, telemetrySchema, metrics, retentionDays, version, updatedAt } = document;
  return {
    id: typeId,
    ...(telemetrySchema === undefined
      ? {}
      : { telemetrySchema: JSON.parse(telemetrySchema) as Record<string, unknown> }),
    ...(metrics === undefined ? {} : { metrics: JSON.parse(metrics) as NonNullable<DeviceType["metrics"]> }),
    ...(retentionDays === undefined ? {} : { retentionDays }),
    version,
    updatedAt: updatedAt.toISOString(),
  };
};
