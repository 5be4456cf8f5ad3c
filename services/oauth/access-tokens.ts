import { createLocalJWKSet, type JWTPayload, jwtVerify } from "jose";
import { digest, epochSeconds } from "./digest.ts";
import { type KeySet, publicKeys } from "./keys/signing-keys.ts";
import type { Revocations } from "./storage/revocations.ts";

/** Claims of an access token (RFC 9068 section 2.2). */
export interface AccessTokenClaims extends JWTPayload {
  client_id: string;
  /** Tenant that the token acts in. */
  tenant?: string;
  scope?: string;
  /** RFC 9449 section 6.1. */
  cnf?: { jkt?: string };
  /** The grant that the token comes of: one entry of the deny list ends all tokens of a login or a device. */
  gid?: string;
  /** Who acts for the subject (RFC 8693 section 4.1). */
  act?: Actor;
}

export interface Actor {
  sub: string;
  act?: Actor;
}

/** Grant of tokens that are made of a token which has none itself: they end with it. */
export const grantOfToken = (jti: string): string => digest(`token:${jti}`);

export interface AccessTokensOptions {
  issuer: string;
  audience: string;
  keys: KeySet;
  revocations: Revocations;
  /** Longest life of an access token, seconds. */
  seconds: number;
}

/** The issuer's own view of the access tokens that it issued and does not store. */
export class AccessTokens {
  readonly #options: AccessTokensOptions;
  readonly #key: ReturnType<typeof createLocalJWKSet>;

  constructor(options: AccessTokensOptions) {
    this.#options = options;
    this.#key = createLocalJWKSet(publicKeys(options.keys));
  }

  /** Its claims; undefined of anything that is no living access token of this issuer. */
  async read(token: string): Promise<AccessTokenClaims | undefined> {
    const { issuer, audience, revocations } = this.#options;
    const claims = await jwtVerify<AccessTokenClaims>(token, this.#key, { issuer, audience, typ: "at+jwt" }).then(
      ({ payload }) => payload,
      () => undefined,
    );
    return claims && !(await revocations.has(claims)) ? claims : undefined;
  }

  async revoke({ jti, exp }: AccessTokenClaims): Promise<void> {
    if (!jti) return;
    const left = (exp ?? 0) - epochSeconds();
    await this.#options.revocations.add("jti", jti, left);
    await this.#options.revocations.add("gid", grantOfToken(jti), left);
  }

  /** Every token of a grant. */
  async revokeGrant(grantId: string): Promise<void> {
    await this.#options.revocations.add("gid", grantId, this.#options.seconds);
  }
}
