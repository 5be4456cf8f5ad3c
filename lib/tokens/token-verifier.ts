import type { AccessTokenClaims } from "./access-token.ts";
import { credentialsOf } from "./credentials.ts";
import type { DenyList } from "./deny-list.ts";
import { digest } from "./digest.ts";
import { checkProof, type ProofOptions } from "./dpop-proof.ts";
import type { ReplayGuard } from "./jti-window.ts";
import { Lru } from "./lru.ts";
import { refuseProof, type Scheme, TokenRefusedError } from "./refusals.ts";

/** What is known of a request before its body is read. */
export interface ProtectedRequest {
  method: string;
  /** As it was requested, without query. */
  path: string;
  authorization: string | undefined;
  dpop: string | undefined;
}

/** Who is asking. */
export interface Verified {
  claims: AccessTokenClaims;
  scopes: ReadonlySet<string>;
  scheme: Scheme;
  /** To be told to the caller, whose nonce ends soon. */
  nonce?: string;
}

export interface TokenVerifierOptions {
  verifyToken: (token: string) => Promise<AccessTokenClaims>;
  denied: DenyList;
  proof: ProofOptions;
  replay: ReplayGuard;
  /** How long the claims of a verified token are kept, at most. */
  cacheSeconds: number;
  cacheEntriesMax: number;
}

interface Entry {
  claims: AccessTokenClaims;
  scopes: ReadonlySet<string>;
  /** Seconds since 1970. */
  until: number;
  /** Version of the deny list that it was held against. */
  version: number;
}

/**
 * Bearer (RFC 6750) and DPoP (RFC 9449 §7) at a resource server. What it keeps: the claims of verified tokens, by the
 * SHA-256 of the whole token, so that signature and claims belong to that very text. Never kept: what became of a proof.
 */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #tokens: Lru<Entry>;

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#tokens = new Lru(options.cacheEntriesMax);
  }

  /** @throws TokenRefusedError; IssuerUnavailableError where the keys are not known; ProofsFullError */
  async verify(request: ProtectedRequest): Promise<Verified> {
    const { scheme, token } = credentialsOf(request.authorization);
    try {
      return await this.#verify(scheme, token, request);
    } catch (error) {
      if (error instanceof TokenRefusedError) error.scheme ??= scheme;
      throw error;
    }
  }

  async #verify(scheme: Scheme, token: string, { dpop, method, path }: ProtectedRequest): Promise<Verified> {
    const ath = digest(token);
    const { claims, scopes } = this.#cached(ath) ?? (await this.#verifyToken(token, ath));
    const jkt = boundKey(claims, scheme);
    if (jkt === undefined) return { claims, scopes, scheme };
    const { proof: options, replay } = this.#options;
    const { jti, nonceEnds } = checkProof({ proof: dpop, method, path, ath, jkt }, options);
    // After the signature: otherwise strangers could fill the store, or burn a jti that they guess.
    const first = replay.first(`${jkt}.${jti}`);
    if (!(typeof first === "boolean" ? first : await first)) refuseProof("used before");
    return { claims, scopes, scheme, ...(nonceEnds ? { nonce: options.nonces.issue() } : {}) };
  }

  /** All that was verified is verified again: the keys have changed. */
  forget(): void {
    this.#tokens.clear();
  }

  #cached(ath: string): Entry | undefined {
    const entry = this.#tokens.get(ath);
    if (entry === undefined) return undefined;
    if (entry.until > Date.now() / 1000 && entry.version === this.#options.denied.version) return entry;
    this.#tokens.delete(ath);
    if (entry.until <= Date.now() / 1000) return undefined;
    return this.#admit(ath, entry);
  }

  async #verifyToken(token: string, ath: string): Promise<Entry> {
    const claims = await this.#options.verifyToken(token);
    const until = Math.min(claims.exp, Date.now() / 1000 + this.#options.cacheSeconds);
    return this.#admit(ath, { claims, until, scopes: new Set(claims.scope?.split(" ")) });
  }

  /** Nothing is awaited between looking into the deny list and keeping: a revocation finds what is kept. */
  #admit(ath: string, entry: Omit<Entry, "version">): Entry {
    const { denied } = this.#options;
    if (denied.denies(entry.claims)) throw new TokenRefusedError("invalid_token", "revoked");
    const admitted = { ...entry, version: denied.version };
    this.#tokens.set(ath, admitted);
    return admitted;
  }
}

/** RFC 9449 §7.1 and §7.2: a bound token under `Bearer` is a downgrade, an unbound one under `DPoP` proves nothing. */
function boundKey({ cnf }: AccessTokenClaims, scheme: Scheme): string | undefined {
  if (cnf && scheme === "bearer") throw new TokenRefusedError("invalid_token", "bound to a key, sent as Bearer");
  if (!cnf && scheme === "dpop") throw new TokenRefusedError("invalid_token", "not bound to a key, sent as DPoP");
  return cnf?.jkt;
}
