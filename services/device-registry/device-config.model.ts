import { type Connection, type Model, Schema } from "mongoose";
import type { DeviceConfig } from "../../schemas/device.ts";

/** A device's configuration as stored, apart from the device: it may be large, and is seldom asked for. */
export interface DeviceConfigDocument {
  _id: string;
  version: number;
  /** JSON text: a field's name may be anything. */
  config: string;
  updatedAt: Date;
}

const schema = new Schema<DeviceConfigDocument>(
  {
    _id: { type: String, required: true },
    version: { type: Number, required: true },
    config: { type: String, required: true },
    updatedAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "device-configs" },
);

schema.index({ updatedAt: 1 });

export const deviceConfigModel = (connection: Connection): Model<DeviceConfigDocument> =>
  connection.model<DeviceConfigDocument>("DeviceConfig", schema);

/** As callers see it. */
export const deviceConfigOf = ({ version, config, updatedAt }: DeviceConfigDocument): DeviceConfig => ({
  version,
  config: JSON.parse(config) as Record<string, unknown>,
  updatedAt: updatedAt.toISOString(),
});
