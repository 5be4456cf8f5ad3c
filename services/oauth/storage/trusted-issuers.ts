import type { Model } from "mongoose";
import type { TrustedIssuer } from "../../../schemas/oauth.ts";
import type { TrustedIssuerDocument } from "./trusted-issuer.model.ts";

const idOf = (tenantId: string, issuer: string) => `${tenantId}/${issuer}`;

/** Who may vouch for whom by an assertion (RFC 7523), in each tenant. */
export class TrustedIssuers {
  readonly #model: Model<TrustedIssuerDocument>;

  constructor(model: Model<TrustedIssuerDocument>) {
    this.#model = model;
  }

  async put(tenantId: string, { jwks, ...trust }: TrustedIssuer): Promise<void> {
    await this.#model.updateOne(
      { _id: idOf(tenantId, trust.issuer) },
      { $set: { ...trust, tenantId, jwks: JSON.stringify(jwks) } },
      { upsert: true },
    );
  }

  async find(tenantId: string, issuer: string): Promise<TrustedIssuer | undefined> {
    const document = await this.#model.findById(idOf(tenantId, issuer)).lean<TrustedIssuerDocument>();
    return document ? trustOf(document) : undefined;
  }

  async list(tenantId: string, limit: number): Promise<TrustedIssuer[]> {
    const found = await this.#model.find({ tenantId }).sort({ issuer: 1 }).limit(limit).lean<TrustedIssuerDocument[]>();
    return found.map(trustOf);
  }

  /** @returns whether it was there */
  async remove(tenantId: string, issuer: string): Promise<boolean> {
    return (await this.#model.deleteOne({ _id: idOf(tenantId, issuer) })).deletedCount > 0;
  }
}

const trustOf = ({ issuer, jwks, algorithms, scope, subjectPrefix }: TrustedIssuerDocument): TrustedIssuer => ({
  issuer,
  jwks: JSON.parse(jwks) as TrustedIssuer["jwks"],
  algorithms: algorithms as TrustedIssuer["algorithms"],
  scope,
  subjectPrefix,
});
