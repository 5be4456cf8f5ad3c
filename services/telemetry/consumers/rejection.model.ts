import { type Connection, type Model, Schema } from "mongoose";

/** A refused message as stored; `_id` is `tenant/rejectionId`, so that a second write of it changes nothing. */
export interface RejectionDocument {
  _id: string;
  tenantId: string;
  deviceId: string;
  rejectionId: string;
  /** Microseconds since 1970. */
  receivedAt: number;
  topic: string;
  reason: string;
  /** Base64. */
  payload: string;
  contentType?: string;
  messageId?: string;
}

const text = { type: String, required: true } as const;
/** Some are empty: a device may have sent nothing. */
const anyText = { type: String, default: "" } as const;

const schema = new Schema<RejectionDocument>(
  {
    _id: text,
    tenantId: text,
    deviceId: anyText,
    rejectionId: text,
    receivedAt: { type: Number, required: true },
    topic: anyText,
    reason: anyText,
    payload: anyText,
    contentType: String,
    messageId: String,
  },
  { versionKey: false, collection: "rejected-messages" },
);
schema.index({ tenantId: 1, receivedAt: 1, _id: 1 });
schema.index({ tenantId: 1, deviceId: 1, receivedAt: 1, _id: 1 });

export const rejectionModel = (connection: Connection): Model<RejectionDocument> =>
  connection.model<RejectionDocument>("RejectedMessage", schema);
