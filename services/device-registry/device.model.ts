import { type Connection, type Model, Schema } from "mongoose";

/** A device as stored; `_id` is `tenant/device`, so that the key itself keeps tenants apart. */
export interface DeviceDocument {
  _id: string;
  tenantId: string;
  deviceId: string;
  name?: string;
  type?: string;
  groups: string[];
  /** Pairs, not an object: a tag's name may hold dots and dollars, which a field's name may not. */
  tags: { name: string; value: string }[];
  createdAt: Date;
  credential?: { credentialId: string; kind: "access-token"; digest: string; createdAt: Date };
  sessionEpoch: number;
}

const schema = new Schema<DeviceDocument>(
  {
    _id: { type: String, required: true },
    tenantId: { type: String, required: true },
    deviceId: { type: String, required: true },
    name: String,
    type: String,
    groups: { type: [String], required: true },
    tags: { type: [{ _id: false, name: String, value: String }], required: true },
    createdAt: { type: Date, required: true },
    credential: { type: { _id: false, credentialId: String, kind: String, digest: String, createdAt: Date } },
    sessionEpoch: { type: Number, required: true },
  },
  { versionKey: false, collection: "devices" },
);
schema.index({ tenantId: 1, deviceId: 1 }, { unique: true });

export const deviceModel = (connection: Connection): Model<DeviceDocument> =>
  connection.model<DeviceDocument>("Device", schema);

export const keyOf = (tenantId: string, deviceId: string): string => `${tenantId}/${deviceId}`;
