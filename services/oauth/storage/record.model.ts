import { type Connection, type Model, Schema } from "mongoose";

/** One artifact of the provider: a code, a refresh token, a session, a grant, … */
export interface RecordDocument {
  /** `kind:id`; of a bearer value its digest. */
  _id: string;
  kind: string;
  /** JSON: a grant has URLs as keys, and dots in keys are refused by some engines. */
  payload: string;
  grantId?: string;
  /** Of sessions only. */
  uid?: string;
  /** Of device codes only. */
  userCode?: string;
  accountId?: string;
  clientId?: string;
  /** Seconds since 1970; present when it was used up. */
  consumed?: number;
  expireAt?: Date;
}

const schema = new Schema<RecordDocument>(
  {
    _id: { type: String, required: true },
    kind: { type: String, required: true },
    payload: { type: String, required: true },
    grantId: String,
    uid: String,
    userCode: String,
    accountId: String,
    clientId: String,
    consumed: Number,
    expireAt: Date,
  },
  { versionKey: false, collection: "oauth-records" },
);
schema.index({ grantId: 1 }, { sparse: true });
schema.index({ uid: 1 }, { unique: true, sparse: true });
schema.index({ userCode: 1 }, { unique: true, sparse: true });
schema.index({ accountId: 1 }, { sparse: true });
schema.index({ clientId: 1 }, { sparse: true });
schema.index({ expireAt: 1 }, { expireAfterSeconds: 0 });

export const recordModel = (connection: Connection): Model<RecordDocument> =>
  connection.model<RecordDocument>("OAuthRecord", schema);
