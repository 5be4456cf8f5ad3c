import { type Connection, type Model, Schema } from "mongoose";
import type { Revocation } from "../../../schemas/oauth.ts";

export interface RevocationDocument {
  /** `kind:value` */
  _id: string;
  kind: Revocation["kind"];
  value: string;
  expireAt: Date;
}

const schema = new Schema<RevocationDocument>(
  {
    _id: { type: String, required: true },
    kind: { type: String, required: true },
    value: { type: String, required: true },
    expireAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "oauth-revocations" },
);
schema.index({ expireAt: 1 }, { expireAfterSeconds: 0 });

export const revocationModel = (connection: Connection): Model<RevocationDocument> =>
  connection.model<RevocationDocument>("OAuthRevocation", schema);
