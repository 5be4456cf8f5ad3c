import type { Model } from "mongoose";
import { type Adapter, type AdapterPayload, errors } from "oidc-provider";
import { isDigest, isHmacMethod, presentedSecret, storedSecret } from "../client-secret.ts";
import type { ClientDocument } from "./client.model.ts";

/** Metadata of a client as the provider knows it: names of RFC 7591, and the tenant. */
export interface StoredClient extends AdapterPayload {
  client_id: string;
  tenant: string;
}

/** Registered clients; also the provider's storage of them. */
export class Clients implements Adapter {
  readonly #model: Model<ClientDocument>;
  readonly #key: Buffer;
  readonly #removed: (clientId: string) => Promise<void>;

  /**
   * @param key 32 bytes, by which secrets are sealed
   * @param removed called after a client is gone, so that its tokens go as well
   */
  constructor(model: Model<ClientDocument>, key: Buffer, removed: (clientId: string) => Promise<void>) {
    this.#model = model;
    this.#key = key;
    this.#removed = removed;
  }

  async upsert(id: string, payload: AdapterPayload): Promise<void> {
    const { client_secret: given, tenant, ...metadata } = payload as StoredClient & { client_secret?: string };
    const { token_endpoint_auth_method: method } = payload;
    if (given !== undefined && isHmacMethod(method) && isDigest(given))
      throw new errors.InvalidClientMetadata(
        "token_endpoint_auth_method must not become client_secret_jwt: the secret is not kept in clear",
      );
    const secret = given === undefined ? undefined : storedSecret(id, method, given, this.#key);
    const fields = { metadata: JSON.stringify(metadata), ...(secret && { secret }) };
    await this.#model.updateOne(
      { _id: id },
      {
        $set: fields,
        ...(secret ? {} : { $unset: { secret: 1 } }),
        $setOnInsert: { tenantId: tenant, createdAt: new Date() },
      },
      { upsert: true },
    );
  }

  async find(id: string): Promise<StoredClient | undefined> {
    const document = await this.#model.findById(id).lean<ClientDocument>();
    if (!document) return undefined;
    const { secret } = document;
    return {
      ...metadataOf(document),
      ...(secret && { client_secret: presentedSecret(id, secret, this.#key) }),
    };
  }

  async destroy(id: string): Promise<void> {
    const { deletedCount } = await this.#model.deleteOne({ _id: id });
    if (deletedCount > 0) await this.#removed(id);
  }

  /** Without its secret; undefined where the tenant has no such client. */
  async ofTenant(tenantId: string, id: string): Promise<StoredClient | undefined> {
    const document = await this.#model.findOne({ _id: id, tenantId }).lean<ClientDocument>();
    return document ? metadataOf(document) : undefined;
  }

  /** The newest first, without secrets. */
  async list(tenantId: string, limit: number): Promise<StoredClient[]> {
    const documents = await this.#model
      .find({ tenantId })
      .sort({ createdAt: -1 })
      .limit(limit)
      .lean<ClientDocument[]>();
    return documents.map(metadataOf);
  }

  /** @returns whether the client is there and has a secret */
  async setSecret(tenantId: string, id: string, secret: string): Promise<boolean> {
    const client = await this.ofTenant(tenantId, id);
    if (!client) return false;
    const stored = storedSecret(id, client["token_endpoint_auth_method"], secret, this.#key);
    const { matchedCount } = await this.#model.updateOne(
      { _id: id, tenantId, secret: { $exists: true } },
      { $set: { secret: stored } },
    );
    return matchedCount > 0;
  }

  // A client is found by its id only.
  async findByUid(): Promise<undefined> {}
  async findByUserCode(): Promise<undefined> {}
  async consume(): Promise<void> {}
  async revokeByGrantId(): Promise<void> {}
}

const metadataOf = ({ metadata, tenantId }: ClientDocument): StoredClient => ({
  ...(JSON.parse(metadata) as StoredClient),
  tenant: tenantId,
});
