import type { Model } from "mongoose";
import type { Revocation } from "../../../schemas/oauth.ts";
import { epochSeconds } from "../digest.ts";
import type { RevocationDocument } from "./revocation.model.ts";

/** Names in a token by which it may be on the deny list. */
export interface Deniable {
  jti?: string;
  gid?: string;
  client_id?: string;
}

/** The deny list: access tokens are not stored, so that what ends one before its time has to be. */
export class Revocations {
  readonly #model: Model<RevocationDocument>;
  readonly #tell: (revocation: Revocation) => void;

  /** @param tell called after each entry is stored, so that those who verify tokens hear of it at once */
  constructor(model: Model<RevocationDocument>, tell: (revocation: Revocation) => void) {
    this.#model = model;
    this.#tell = tell;
  }

  /** @param seconds longest life that a token may have left */
  async add(kind: Revocation["kind"], value: string, seconds: number): Promise<void> {
    const until = epochSeconds() + Math.max(1, Math.ceil(seconds));
    const entry = { kind, value, expireAt: new Date(until * 1000) };
    await this.#model.updateOne({ _id: `${kind}:${value}` }, { $set: entry }, { upsert: true });
    this.#tell({ kind, value, until });
  }

  async has({ jti, gid, client_id }: Deniable): Promise<boolean> {
    const names = { jti, gid, client: client_id };
    const ids = Object.entries(names).flatMap(([kind, value]) => (value === undefined ? [] : [`${kind}:${value}`]));
    return (await this.#model.findOne({ _id: { $in: ids }, expireAt: { $gt: new Date() } }).lean()) !== null;
  }

  async all(): Promise<Revocation[]> {
    const found = await this.#model.find({ expireAt: { $gt: new Date() } }).lean<RevocationDocument[]>();
    return found.map(({ kind, value, expireAt }) => ({ kind, value, until: expireAt.getTime() / 1000 }));
  }
}
