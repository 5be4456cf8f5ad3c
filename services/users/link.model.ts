import { type Connection, type Model, Schema } from "mongoose";

/** A link that was sent to somebody, and what it is good for, once. Of its token only the digest is kept. */
export interface LinkDocument {
  /** SHA-256 of the token, base64url. */
  _id: string;
  kind: "invitation" | "password-reset";
  email: string;
  /** Of an invitation. */
  tenantId?: string;
  roles?: string[];
  createdAt: Date;
  expiresAt: Date;
}

const text = { type: String, required: true } as const;
const date = { type: Date, required: true } as const;

const schema = new Schema<LinkDocument>(
  { _id: text, kind: text, email: text, tenantId: String, roles: [String], createdAt: date, expiresAt: date },
  { versionKey: false, collection: "user-links" },
);
schema.index({ kind: 1, tenantId: 1, _id: 1 });
schema.index({ kind: 1, email: 1 });
schema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });

export const linkModel = (connection: Connection): Model<LinkDocument> =>
  connection.model<LinkDocument>("Link", schema);
