import { exportJWK, generateKeyPair, type JWK } from "jose";

export type SigningJwk = JWK & { kid: string; alg: string; use: "sig" };

export interface KeySet {
  /** The first of an algorithm signs; the others are published. */
  keys: SigningJwk[];
  /** When others will sign, where that is known: milliseconds since 1970. */
  changesAt?: number | undefined;
}

const KINDS = [
  ["ES256", {}],
  ["EdDSA", { crv: "Ed25519" }],
  ["RS256", {}],
] as const;

/** ES256 signs by default; the others serve clients that ask for them (OpenID Connect Core section 15.1 has RS256). */
export async function generateSigningKeys(generation: number): Promise<SigningJwk[]> {
  return Promise.all(
    KINDS.map(async ([alg, options]) => {
      const { privateKey } = await generateKeyPair(alg, { extractable: true, ...options });
      return { ...(await exportJWK(privateKey)), use: "sig", alg, kid: `${alg.toLowerCase()}-${generation}` };
    }),
  );
}

/** Without the private members. */
export const publicKeys = ({ keys }: KeySet): { keys: JWK[] } => ({
  keys: keys.map(({ d, p, q, dp, dq, qi, ...open }) => open),
});
