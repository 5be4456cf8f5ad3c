import { randomBytes } from "node:crypto";
import { type Connection, type Model, Schema } from "mongoose";
import {
  closeDocumentStore,
  type DocumentStoreOptions,
  documentStoreTrouble,
  openDocumentStore,
} from "../../lib/document-store.ts";
import { digest } from "../../lib/tokens/digest.ts";
import type { ReplayGuard } from "../../lib/tokens/jti-window.ts";

interface ProofDocument {
  /** Hash of key and jti. */
  _id: string;
  expireAt: Date;
}
interface SecretDocument {
  _id: string;
  secret: string;
}

const proofSchema = new Schema<ProofDocument>(
  { _id: { type: String, required: true }, expireAt: { type: Date, required: true } },
  { versionKey: false, collection: "dpop-proofs" },
);
proofSchema.index({ expireAt: 1 }, { expireAfterSeconds: 0 });
const secretSchema = new Schema<SecretDocument>(
  { _id: { type: String, required: true }, secret: { type: String, required: true } },
  { versionKey: false, collection: "dpop-secrets" },
);

const DUPLICATE_KEY = 11_000;
const SECRET_BYTES = 32;
const isDuplicate = (error: unknown) => (error as { code?: unknown }).code === DUPLICATE_KEY;

/** Proofs that any gateway of the platform has accepted, in the document store: whoever inserts first wins. */
export class ProofStore implements ReplayGuard {
  readonly #connection: Connection;
  readonly #proofs: Model<ProofDocument>;
  readonly #local: ReplayGuard;
  readonly #keptMs: number;
  /** Of the nonces, which every gateway has to know. */
  readonly secret: Buffer;

  /**
   * @param local answers for what this process has seen itself.
   * @param seconds for which a proof may be valid; it is kept twice as long, because clocks differ.
   */
  static async open(options: DocumentStoreOptions, local: ReplayGuard, seconds: number): Promise<ProofStore> {
    const connection = await openDocumentStore(options);
    try {
      const proofs = connection.model<ProofDocument>("DpopProof", proofSchema);
      const secrets = connection.model<SecretDocument>("DpopSecret", secretSchema);
      await Promise.all([proofs.init(), secrets.init()]);
      return new ProofStore(connection, proofs, await sharedSecret(secrets), local, seconds);
    } catch (error) {
      await closeDocumentStore(connection);
      throw error;
    }
  }

  private constructor(
    connection: Connection,
    proofs: Model<ProofDocument>,
    secret: Buffer,
    local: ReplayGuard,
    seconds: number,
  ) {
    this.#connection = connection;
    this.#proofs = proofs;
    this.secret = secret;
    this.#local = local;
    this.#keptMs = seconds * 2000;
  }

  async first(key: string): Promise<boolean> {
    if (!(await this.#local.first(key))) return false;
    try {
      // Of the driver: nothing of a document has to be checked or cast here.
      await this.#proofs.collection.insertOne({
        _id: digest(key) as never,
        expireAt: new Date(Date.now() + this.#keptMs),
      });
      return true;
    } catch (error) {
      if (isDuplicate(error)) return false;
      throw error;
    }
  }

  /** Why proofs cannot be kept at present; undefined where they can. */
  get trouble(): string | undefined {
    return documentStoreTrouble(this.#connection);
  }

  close(): Promise<void> {
    return closeDocumentStore(this.#connection);
  }
}

/** The same for every gateway: made by the first. */
async function sharedSecret(secrets: Model<SecretDocument>): Promise<Buffer> {
  const _id = "nonce";
  await secrets.create({ _id, secret: randomBytes(SECRET_BYTES).toString("base64") }).catch((error: unknown) => {
    if (!isDuplicate(error)) throw error;
  });
  const found = await secrets.findById(_id).lean().orFail();
  return Buffer.from(found.secret, "base64");
}
