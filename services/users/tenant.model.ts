import { type Connection, type Model, Schema } from "mongoose";
import type { Tenant } from "../../schemas/users.ts";

export interface TenantDocument {
  _id: string;
  name?: string;
  status: "active" | "suspended";
  createdAt: Date;
}

const schema = new Schema<TenantDocument>(
  {
    _id: { type: String, required: true },
    name: String,
    status: { type: String, required: true },
    createdAt: { type: Date, required: true },
  },
  { versionKey: false, collection: "tenants" },
);

export const tenantModel = (connection: Connection): Model<TenantDocument> =>
  connection.model<TenantDocument>("Tenant", schema);

export const tenantOf = ({ _id: id, name, status, createdAt }: TenantDocument): Tenant => ({
  ...{ id, ...(name === undefined ? {} : { name }), status, createdAt: createdAt.toISOString() },
});
