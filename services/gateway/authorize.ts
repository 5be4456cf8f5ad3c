import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Service, ServiceBroker } from "moleculer";
import type { DocumentStoreOptions } from "../../lib/document-store.ts";
import type { Meta } from "../../lib/meta.ts";
import { accessTokenVerifier } from "../../lib/tokens/access-token.ts";
import { JtiWindow } from "../../lib/tokens/jti-window.ts";
import { Nonces } from "../../lib/tokens/nonces.ts";
import { ProofKeys } from "../../lib/tokens/proof-keys.ts";
import { IssuerUnavailableError, TokenRefusedError } from "../../lib/tokens/refusals.ts";
import { TokenVerifier, type Verified } from "../../lib/tokens/token-verifier.ts";
import { challengesOf } from "../../lib/tokens/www-authenticate.ts";
import type { Access } from "./access.ts";
import { IssuerLink, type IssuerSettings } from "./issuer-link.ts";
import { ProofStore } from "./proof-store.ts";

export interface AuthSettings extends IssuerSettings {
  audience: string;
  /** By which callers reach the gateway; a proof names one of them. */
  origins: readonly string[];
  tokenBytesMax: number;
  tokenCacheSeconds: number;
  tokenCacheMax: number;
  proofSeconds: number;
  skewSeconds: number;
  proofBytesMax: number;
  proofsMax: number;
  proofKeysMax: number;
  nonceRequired: boolean;
  /** Where gateways share what they have accepted; left out: in the memory of this one. */
  proofs?: DocumentStoreOptions;
}

/** Judges each request by its token before anything else of it is read. */
export class Authorizer {
  readonly #link: IssuerLink;
  readonly #verifier: TokenVerifier;
  readonly #nonces: Nonces;
  readonly #store: ProofStore | undefined;
  readonly #logger: Service["logger"];

  /** Resolves also where the issuer is away: then `trouble` says so. @throws Error of the store of proofs */
  static async open(broker: ServiceBroker, logger: Service["logger"], settings: AuthSettings): Promise<Authorizer> {
    const proofLife = settings.proofSeconds + settings.skewSeconds;
    const local = new JtiWindow(proofLife, settings.proofsMax);
    const store = settings.proofs && (await ProofStore.open(settings.proofs, local, proofLife));
    const authorizer = new Authorizer(broker, logger, settings, store, local);
    await authorizer.#link.open();
    return authorizer;
  }

  private constructor(
    broker: ServiceBroker,
    logger: Service["logger"],
    settings: AuthSettings,
    store: ProofStore | undefined,
    local: JtiWindow,
  ) {
    const { issuer, audience, skewSeconds } = settings;
    this.#logger = logger;
    this.#store = store;
    this.#nonces = new Nonces(store?.secret ?? randomBytes(32));
    this.#link = new IssuerLink(broker, logger, settings, () => this.#verifier.forget());
    const verifyToken = accessTokenVerifier({
      ...{ issuer, audience, skewSeconds },
      key: this.#link.keys.key,
      bytesMax: settings.tokenBytesMax,
    });
    this.#verifier = new TokenVerifier({
      verifyToken: async (token) => {
        const unknown = this.#link.revocationsUnknown;
        if (unknown !== undefined) throw new IssuerUnavailableError(unknown);
        return verifyToken(token);
      },
      denied: this.#link.denied,
      proof: {
        origins: settings.origins,
        keys: new ProofKeys(settings.proofKeysMax),
        nonces: this.#nonces,
        nonceRequired: settings.nonceRequired,
        ageSecondsMax: settings.proofSeconds,
        skewSeconds,
        bytesMax: settings.proofBytesMax,
        // What a former process has accepted is not known here.
        ...(store ? {} : { knownSince: Date.now() }),
      },
      replay: store ?? local,
      cacheSeconds: settings.tokenCacheSeconds,
      cacheEntriesMax: settings.tokenCacheMax,
    });
  }

  /**
   * Lets a request in, or refuses it with its challenges in the answer; who is asking goes into `meta`.
   *
   * @param path as it was requested, without query.
   * @throws TokenRefusedError, IssuerUnavailableError, ProofsFullError
   */
  async admit(request: IncomingMessage, response: ServerResponse, path: string, access: Access, meta: Meta) {
    if (access === "public") return;
    try {
      const { method = "GET", headers } = request;
      const verified = await this.#verifier.verify({
        ...{ method, path, authorization: headers.authorization },
        // Node joins several.
        dpop: headers["dpop"] as string | undefined,
      });
      if (verified.nonce !== undefined) response.setHeader("DPoP-Nonce", verified.nonce);
      if (!verified.scopes.has(access.scope))
        throw new TokenRefusedError("insufficient_scope", `has not ${access.scope}`, verified.scheme);
      Object.assign(meta, identityOf(verified));
    } catch (error) {
      if (error instanceof TokenRefusedError) this.#challenge(error, request, response, access.scope);
      throw error;
    }
  }

  /** Takes the event `oauth.revoked`. */
  hear(revocation: unknown): void {
    this.#link.hear(revocation);
  }

  /** Takes the event `oauth.keys-changed`. */
  keysChanged(): void {
    this.#link.keysChanged();
  }

  /** The issuer may have come, or been away while it revoked. */
  servicesChanged(): void {
    void this.#link.open();
  }

  /** Why no token can be judged at present; undefined where they can. */
  get trouble(): string | undefined {
    return this.#link.trouble ?? this.#store?.trouble;
  }

  async close(): Promise<void> {
    this.#link.close();
    await this.#store?.close();
  }

  #challenge(refusal: TokenRefusedError, request: IncomingMessage, response: ServerResponse, scope: string): void {
    const { error = "none", reason } = refusal;
    response.setHeader("WWW-Authenticate", challengesOf(refusal, scope));
    if (error === "use_dpop_nonce") response.setHeader("DPoP-Nonce", this.#nonces.issue());
    this.#logger.info("Request refused.", { requestId: request.headers["x-request-id"], error, reason });
  }
}

const identityOf = ({ claims, scopes }: Verified) =>
  ({
    tenantId: claims.tenant,
    subject: claims.sub,
    clientId: claims.client_id,
    scopes: [...scopes],
  }) satisfies Meta;
