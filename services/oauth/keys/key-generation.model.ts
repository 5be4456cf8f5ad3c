import { type Connection, type Model, Schema } from "mongoose";

/** A generation of signing keys: one key for each algorithm. */
export interface KeyGenerationDocument {
  /** Counted from 1; the key itself lets one node win where several make the next one. */
  _id: number;
  /** Private JWKs as JSON, sealed. */
  sealed: string;
  /** From here on it signs, and the one before it does no longer. */
  signsFrom: Date;
}

const schema = new Schema<KeyGenerationDocument>(
  {
    _id: { type: Number, required: true },
    sealed: { type: String, required: true },
    signsFrom: { type: Date, required: true },
  },
  { versionKey: false, collection: "oauth-keys" },
);

export const keyGenerationModel = (connection: Connection): Model<KeyGenerationDocument> =>
  connection.model<KeyGenerationDocument>("OAuthKeyGeneration", schema);
