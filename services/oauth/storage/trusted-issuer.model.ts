import { type Connection, type Model, Schema } from "mongoose";

export interface TrustedIssuerDocument {
  /** `tenant/issuer` */
  _id: string;
  tenantId: string;
  issuer: string;
  /** JSON Web Key Set, as JSON. */
  jwks: string;
  algorithms: string[];
  scope: string;
  subjectPrefix: string;
}

const schema = new Schema<TrustedIssuerDocument>(
  {
    _id: { type: String, required: true },
    tenantId: { type: String, required: true },
    issuer: { type: String, required: true },
    jwks: { type: String, required: true },
    algorithms: { type: [String], required: true },
    scope: { type: String, required: true },
    subjectPrefix: { type: String, required: true },
  },
  { versionKey: false, collection: "oauth-trusted-issuers" },
);
schema.index({ tenantId: 1, issuer: 1 });

export const trustedIssuerModel = (connection: Connection): Model<TrustedIssuerDocument> =>
  connection.model<TrustedIssuerDocument>("OAuthTrustedIssuer", schema);
