import { isDeepStrictEqual } from "node:util";
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import type { JwksSource } from "./jwks-source.ts";
import { IssuerUnavailableError } from "./refusals.ts";

export interface KeySetOptions {
  /** Age at which the set is fetched again; the former one serves meanwhile, and while the issuer is away. */
  refreshSeconds: number;
  /** Pause between two fetches for a `kid` that is not in the set: strangers choose it. */
  cooldownSeconds: number;
  /** Told when other keys were fetched than before. */
  changed?: () => void;
}

/** Between two tries while there are no keys at all. */
const RETRY_MS = 1000;

/**
 * An issuer's public keys, cached. Unlike the remote set of `jose` it goes on with the keys that it has while the issuer
 * is away: a restart of it refuses no valid token.
 */
export class KeySet {
  readonly #source: JwksSource;
  readonly #options: KeySetOptions;
  #document: JSONWebKeySet | undefined;
  #keys: JWTVerifyGetKey | undefined;
  #fetchedAt = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<void> | undefined;
  #failure: unknown;

  constructor(source: JwksSource, options: KeySetOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** The key that a token names, for `jose`. @throws IssuerUnavailableError, JWKSNoMatchingKey */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    if (!this.#keys) await this.#fetchFirst();
    else if (this.isOld) this.refresh().catch(() => {});
    const keys = this.#keys as unknown as JWTVerifyGetKey;
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayAskAgain()) throw error;
      await this.refresh();
      return (this.#keys as unknown as JWTVerifyGetKey)(header, token);
    }
  };

  get isOld(): boolean {
    return Date.now() - this.#fetchedAt > this.#options.refreshSeconds * 1000;
  }

  /** Why no token can be verified; undefined where there are keys. */
  get trouble(): string | undefined {
    if (this.#keys) return undefined;
    const { message = "not fetched yet" } = (this.#failure ?? {}) as Error;
    return `the issuer's keys are not known: ${message}`;
  }

  /** Fetches now; calls at once share one fetch. @throws IssuerUnavailableError; the former keys stay. */
  refresh(): Promise<void> {
    this.#pending ??= this.#fetch().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  #mayAskAgain(): boolean {
    return this.#pending !== undefined || Date.now() - this.#triedAt >= this.#options.cooldownSeconds * 1000;
  }

  async #fetchFirst(): Promise<void> {
    if (!this.#pending && Date.now() - this.#triedAt < RETRY_MS) throw new IssuerUnavailableError(String(this.trouble));
    await this.refresh();
  }

  async #fetch(): Promise<void> {
    this.#triedAt = Date.now();
    try {
      const document = await this.#source.fetch();
      // Throws where it is none.
      const keys = createLocalJWKSet(document);
      this.#fetchedAt = Date.now();
      this.#failure = undefined;
      if (isDeepStrictEqual(document, this.#document)) return;
      const first = this.#document === undefined;
      this.#document = document;
      this.#keys = keys;
      if (!first) this.#options.changed?.();
    } catch (cause) {
      this.#failure = cause;
      throw new IssuerUnavailableError(`the keys of ${this.#source.name} cannot be fetched`, { cause });
    }
  }
}
