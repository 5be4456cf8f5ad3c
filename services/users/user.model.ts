import { type Connection, type Model, Schema } from "mongoose";
import type { User } from "../../schemas/users.ts";

/** A user's place in a tenant. */
export interface Membership {
  tenantId: string;
  roles: string[];
  status: "active" | "suspended";
}

export interface UserDocument {
  _id: string;
  /** Lower case; of all users of the platform. */
  email: string;
  name?: string;
  /** PHC string of argon2id. */
  password: string;
  memberships: Membership[];
  createdAt: Date;
}

const text = { type: String, required: true } as const;

const schema = new Schema<UserDocument>(
  {
    _id: text,
    email: text,
    name: String,
    password: text,
    memberships: { type: [{ _id: false, tenantId: String, roles: [String], status: String }], required: true },
    createdAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "users" },
);
schema.index({ email: 1 }, { unique: true });
schema.index({ "memberships.tenantId": 1, email: 1 });

export const userModel = (connection: Connection): Model<UserDocument> =>
  connection.model<UserDocument>("User", schema);

/** As a member of the tenant; undefined where it is none. */
export function userOf(
  { _id: id, email, name, memberships, createdAt }: UserDocument,
  tenantId: string,
): User | undefined {
  const membership = memberships.find((one) => one.tenantId === tenantId);
  if (!membership) return undefined;
  const { roles, status } = membership;
  return { id, email, ...(name === undefined ? {} : { name }), roles, status, createdAt: createdAt.toISOString() };
}
