import { type Connection, type Model, Schema } from "mongoose";

/** Small state with an end that all nodes share. */
export interface SharedStateDocument {
  _id: string;
  /** JSON. */
  value: string;
  expireAt: Date;
}

const schema = new Schema<SharedStateDocument>(
  {
    _id: { type: String, required: true },
    value: { type: String, required: true },
    expireAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "oauth-state" },
);
schema.index({ expireAt: 1 }, { expireAfterSeconds: 0 });

export const sharedStateModel = (connection: Connection): Model<SharedStateDocument> =>
  connection.model<SharedStateDocument>("OAuthState", schema);
