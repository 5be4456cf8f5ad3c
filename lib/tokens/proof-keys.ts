import { createPublicKey, type JsonWebKey, type KeyObject, verify as verifySignature } from "node:crypto";
import { digest } from "./digest.ts";
import { partOf } from "./jwt-part.ts";
import { Lru } from "./lru.ts";
import { refuseProof } from "./refusals.ts";

/** What the header of a proof says: its key and how to check with it. */
export interface ProofKey {
  /** Thumbprint (RFC 7638). */
  jkt: string;
  verify(data: Buffer, signature: Buffer): boolean;
}

interface Algorithm {
  kty: "EC" | "OKP";
  crv: string;
  verify(key: KeyObject, data: Buffer, signature: Buffer): boolean;
}

const ed25519: Algorithm = {
  kty: "OKP",
  crv: "Ed25519",
  verify: (key, data, signature) => verifySignature(null, data, key, signature),
};

/** Asymmetric algorithms of proofs (RFC 9449 §4.3 check 5); `Ed25519` is the newer name of `EdDSA` (RFC 9864). */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  ES256: {
    kty: "EC",
    crv: "P-256",
    verify: (key, data, signature) =>
      signature.length === 64 && verifySignature("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature),
  },
  EdDSA: ed25519,
  Ed25519: ed25519,
};
export const PROOF_ALGORITHMS = Object.keys(ALGORITHMS);

/** @throws TokenRefusedError */
const algorithmOf = (alg: unknown): Algorithm =>
  typeof alg === "string" && Object.hasOwn(ALGORITHMS, alg)
    ? (ALGORITHMS[alg] as Algorithm)
    : refuseProof("alg is none of the accepted ones");

/** Members that a private key has (RFC 7518 §6.2.2, RFC 8037 §2) and a symmetric one (RFC 7518 §6.4). */
const PRIVATE = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/** Of a header that is remembered; one with the members that are needed has about 250. */
const KEPT_CHARS_MAX = 1024;

/**
 * Headers of proofs, each read once: a caller's are all the same, and what they say is a pure function of their text.
 * Nothing is kept under a name that a stranger chooses.
 */
export class ProofKeys {
  readonly #keys: Lru<ProofKey>;

  constructor(entriesMax: number) {
    this.#keys = new Lru(entriesMax);
  }

  /**
   * RFC 9449 §4.3 checks 4, 5 and 7.
   *
   * @param header as it stands in the proof, base64url.
   * @throws TokenRefusedError
   */
  find(header: string): ProofKey {
    const known = this.#keys.get(header);
    if (known) return known;
    const { typ, crit, alg, jwk } = partOf(header);
    if (typ !== "dpop+jwt") return refuseProof("typ is not dpop+jwt");
    if (crit !== undefined) return refuseProof("crit is not understood");
    const entry = keyOf(jwk, algorithmOf(alg));
    if (header.length <= KEPT_CHARS_MAX) this.#keys.set(header, entry);
    return entry;
  }
}

function keyOf(jwk: unknown, algorithm: Algorithm): ProofKey {
  const { kty, crv } = algorithm;
  if (typeof jwk !== "object" || jwk === null) return refuseProof("jwk is missing");
  const { x, y, ...rest } = jwk as Record<string, unknown>;
  if (PRIVATE.some((member) => rest[member] !== undefined)) return refuseProof("jwk is not a public key");
  if (rest["kty"] !== kty || rest["crv"] !== crv) return refuseProof("jwk is no key of alg");
  if (!isMember(x) || (kty === "EC" && !isMember(y))) return refuseProof("jwk is no key of alg");
  // RFC 7638 §3.2: the required members in lexicographic order, and only those.
  const members: JsonWebKey = kty === "EC" ? { crv, kty, x, y: y as string } : { crv, kty, x };
  const key = imported(members);
  return {
    jkt: digest(JSON.stringify(members)),
    verify: (data, signature) => algorithm.verify(key, data, signature),
  };
}

/** A coordinate of 32 bytes; another spelling of it would be another thumbprint. */
const isMember = (value: unknown): value is string => typeof value === "string" && /^[\w-]{43}$/.test(value);

function imported(key: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch {
    return refuseProof("jwk is no point of its curve");
  }
}
