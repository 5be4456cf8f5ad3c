import type { Model } from "mongoose";
import { type Adapter, type AdapterPayload, errors } from "oidc-provider";
import { digest, epochSeconds } from "../digest.ts";
import type { RecordDocument } from "./record.model.ts";

/** They belong to a grant and go with it. */
const OF_A_GRANT = ["AccessToken", "AuthorizationCode", "RefreshToken", "DeviceCode"];

/**
 * Their id is a bearer value, so that only its digest is stored. A session and a device code are found by another field
 * and stored again under their id.
 */
const BEARER: ReadonlySet<string> = new Set([
  "AccessToken",
  "AuthorizationCode",
  "RefreshToken",
  "ClientCredentials",
  "InitialAccessToken",
  "RegistrationAccessToken",
  "PushedAuthorizationRequest",
]);

/** Seconds that a record outlives its end: `expired_token` (RFC 8628 section 3.5) and "used before" need it to be told. */
const KEPT: Readonly<Record<string, number>> = { DeviceCode: 3600, AuthorizationCode: 3600 };
const KEPT_SECONDS = 60;

const idOf = (kind: string, id: string) => `${kind}:${BEARER.has(kind) ? digest(id) : id}`;

/** The provider's storage of one kind of artifact, in the document store. */
export class RecordAdapter implements Adapter {
  readonly #model: Model<RecordDocument>;
  readonly #kind: string;

  constructor(model: Model<RecordDocument>, kind: string) {
    this.#model = model;
    this.#kind = kind;
  }

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { jti: _, ...rest } = payload;
    const { grantId, userCode, accountId, clientId } = payload;
    const fields = {
      kind: this.#kind,
      payload: JSON.stringify(BEARER.has(this.#kind) ? rest : payload),
      grantId,
      uid: this.#kind === "Session" ? payload.uid : undefined,
      userCode,
      accountId,
      clientId,
      expireAt: expiresIn ? new Date(Date.now() + (expiresIn + (KEPT[this.#kind] ?? KEPT_SECONDS)) * 1000) : undefined,
    };
    const set = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    await this.#model.updateOne({ _id: idOf(this.#kind, id) }, { $set: set }, { upsert: true });
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    return this.#payloadOf(await this.#model.findById(idOf(this.#kind, id)).lean<RecordDocument>(), id);
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#payloadOf(await this.#model.findOne({ uid }).lean<RecordDocument>());
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#payloadOf(await this.#model.findOne({ userCode }).lean<RecordDocument>());
  }

  /**
   * The library looks whether it was used and marks it then, so that two may have looked: the store decides which of
   * them was first. Whoever was not ends the family (RFC 6749 section 4.1.2, RFC 9700 section 4.14.2).
   *
   * @throws InvalidGrant
   */
  async consume(id: string): Promise<void> {
    const _id = idOf(this.#kind, id);
    const first = await this.#model.findOneAndUpdate(
      { _id, consumed: { $exists: false } },
      { $set: { consumed: epochSeconds() } },
    );
    if (first) return;
    const record = await this.#model.findById(_id).lean<RecordDocument>();
    if (record?.grantId) await endGrant(this.#model, record.grantId);
    throw new errors.InvalidGrant("already consumed");
  }

  /**
   * Makes it unused again, where it was used after `since`.
   *
   * @param since seconds since 1970
   */
  async release(id: string, since: number): Promise<void> {
    const _id = idOf(this.#kind, id);
    const { consumed } = (await this.#model.findById(_id).lean<RecordDocument>()) ?? {};
    if (consumed !== undefined && consumed > since)
      await this.#model.updateOne({ _id, consumed }, { $unset: { consumed: 1 } });
  }

  async destroy(id: string): Promise<void> {
    await this.#model.deleteOne({ _id: idOf(this.#kind, id) });
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.#model.deleteMany({ grantId, kind: this.#kind });
  }

  #payloadOf(record: RecordDocument | null, id?: string): AdapterPayload | undefined {
    if (!record) return undefined;
    return {
      ...(JSON.parse(record.payload) as AdapterPayload),
      ...(BEARER.has(this.#kind) && id !== undefined ? { jti: id } : {}),
      ...(record.consumed === undefined ? {} : { consumed: record.consumed }),
    };
  }
}

/** The grant and all that was issued for it. */
export async function endGrant(model: Model<RecordDocument>, grantId: string): Promise<void> {
  await model.deleteMany({ grantId, kind: { $in: OF_A_GRANT } });
  await model.deleteOne({ _id: idOf("Grant", grantId) });
}
