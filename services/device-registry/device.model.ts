import { type Connection, type Model, Schema } from "mongoose";
import type { DeviceStatus } from "../../schemas/device.ts";
import type { StoredConnection } from "./connection-status.ts";
import type { StoredCredential } from "./credential.ts";

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
  /** Absent = active, as in documents of versions that did not know it. */
  status?: DeviceStatus;
  /** At most two, oldest first. */
  credentials?: StoredCredential[];
  /** The only one, in documents of versions that knew one. */
  credential?: StoredCredential;
  sessionEpoch: number;
  connection?: StoredConnection;
  /** What it said of itself: JSON text, because a field's name may be anything. Microseconds since 1970. */
  reportedStatus?: { text: string; at: number };
  /** It is being deleted, and is visible to nobody any more. */
  deleting?: { at: Date; readings?: "delete" };
}

const credential = {
  _id: false,
  credentialId: String,
  kind: String,
  digest: String,
  brokerHash: String,
  createdAt: Date,
};
const instant = Number;

const connection = {
  _id: false,
  sessionEpoch: Number,
  connected: Boolean,
  connectedAt: instant,
  disconnectedAt: instant,
  reason: String,
  lastSeenAt: instant,
  keepAliveSeconds: Number,
  protocol: String,
};

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
    status: String,
    // Without a default: a document of a former version is told by having none.
    credentials: { type: [credential], default: undefined },
    credential: { type: credential },
    sessionEpoch: { type: Number, required: true },
    connection: { type: { ...connection, older: { type: [connection], default: undefined } } },
    reportedStatus: { type: { _id: false, text: String, at: instant } },
    deleting: { type: { _id: false, at: Date, readings: String } },
  },
  { versionKey: false, collection: "devices" },
);
schema.index({ tenantId: 1, deviceId: 1 }, { unique: true });
schema.index({ tenantId: 1, type: 1, deviceId: 1 });
schema.index({ "deleting.at": 1 }, { sparse: true });

export const deviceModel = (connection: Connection): Model<DeviceDocument> =>
  connection.model<DeviceDocument>("Device", schema);

export const keyOf = (tenantId: string, deviceId: string): string => `${tenantId}/${deviceId}`;
