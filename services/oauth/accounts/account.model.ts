import { type Connection, type Model, Schema } from "mongoose";

export interface AccountDocument {
  /** `sub` */
  _id: string;
  tenantId: string;
  /** As it is compared: lower case, composed. */
  login: string;
  displayName?: string;
  email?: string;
  passwordHash: string;
  createdAt: Date;
}

const schema = new Schema<AccountDocument>(
  {
    _id: { type: String, required: true },
    tenantId: { type: String, required: true },
    login: { type: String, required: true },
    displayName: String,
    email: String,
    passwordHash: { type: String, required: true },
    createdAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "accounts" },
);
schema.index({ tenantId: 1, login: 1 }, { unique: true });

export const accountModel = (connection: Connection): Model<AccountDocument> =>
  connection.model<AccountDocument>("Account", schema);
