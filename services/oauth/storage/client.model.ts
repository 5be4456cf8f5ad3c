import { type Connection, type Model, Schema } from "mongoose";
import type { StoredSecret } from "../client-secret.ts";

export interface ClientDocument {
  _id: string;
  tenantId: string;
  /** JSON, names as in RFC 7591; without the secret. */
  metadata: string;
  secret?: StoredSecret;
  createdAt: Date;
}

const schema = new Schema<ClientDocument>(
  {
    _id: { type: String, required: true },
    tenantId: { type: String, required: true },
    metadata: { type: String, required: true },
    secret: { type: { _id: false, kind: String, value: String } },
    createdAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "oauth-clients" },
);
schema.index({ tenantId: 1, createdAt: -1 });

export const clientModel = (connection: Connection): Model<ClientDocument> =>
  connection.model<ClientDocument>("OAuthClient", schema);
