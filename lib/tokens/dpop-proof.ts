import { partOf } from "./jwt-part.ts";
import type { Nonces } from "./nonces.ts";
import type { ProofKeys } from "./proof-keys.ts";
import { refuseProof, TokenRefusedError } from "./refusals.ts";
import { isUrlOf } from "./request-url.ts";

/** What a proof has to be for. */
export interface ProofTarget {
  /** Of the field `DPoP`, as Node gives it: several are joined by commas. */
  proof: string | undefined;
  method: string;
  /** As it was requested, without query. */
  path: string;
  /** SHA-256 of the access token. */
  ath: string;
  /** Thumbprint that the token is bound to. */
  jkt: string;
}

export interface ProofOptions {
  /** Origins that callers reach us by; never taken from `Host`. */
  origins: readonly string[];
  keys: ProofKeys;
  nonces: Nonces;
  nonceRequired: boolean;
  /** How old a proof, or the nonce in it, may be. */
  ageSecondsMax: number;
  /** How far a caller's clock may be ahead. */
  skewSeconds: number;
  bytesMax: number;
  /**
   * Milliseconds since 1970: what was accepted before is not known, so that an earlier proof needs a nonce of ours.
   * Left out: all is known.
   */
  knownSince?: number;
}

/** What a valid proof says; whether it was used before is not known yet. */
export interface CheckedProof {
  jti: string;
  /** Whether the caller should get another nonce: the one that it has ends soon. */
  nonceEnds: boolean;
}

type Claims = Partial<Record<"jti" | "htm" | "htu" | "iat" | "ath" | "nonce", unknown>>;

const FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const JTI_CHARS_MAX = 256;

/**
 * The checks of RFC 9449 §4.3, which are numbered here, but for the replay: that is the caller's, after all of these.
 *
 * @throws TokenRefusedError `invalid_dpop_proof` or `use_dpop_nonce`
 */
export function checkProof(target: ProofTarget, options: ProofOptions): CheckedProof {
  const { proof, ath, jkt } = target;
  // 1: one field; no compact JWT has a comma.
  if (!proof) return refuseProof("no proof");
  if (proof.includes(",")) return refuseProof("more than one proof");
  if (proof.length > options.bytesMax) return refuseProof(`longer than ${options.bytesMax} bytes`);
  // 2
  if (!FORM.test(proof)) return refuseProof("no JWT");
  const [head = "", body = "", signature = ""] = proof.split(".");
  const claims: Claims = partOf(body);
  // 4, 5 and 7
  const key = options.keys.find(head);
  // 3, 8 to 12
  const jti = checkedJti(claims);
  checkRequest(claims, target, options);
  if (claims.ath !== ath) return refuseProof("ath is not the access token's");
  if (key.jkt !== jkt) return refuseProof("jwk is not the key that the token is bound to");
  const nonceEnds = checkTime(claims, options);
  // 6: last, because it costs most.
  const signed = Buffer.from(proof.slice(0, head.length + 1 + body.length), "latin1");
  if (!key.verify(signed, Buffer.from(signature, "base64url"))) return refuseProof("signature");
  return { jti, nonceEnds };
}

function checkedJti({ jti }: Claims): string {
  if (typeof jti !== "string" || jti === "") return refuseProof("jti is missing");
  if (jti.length > JTI_CHARS_MAX) return refuseProof(`jti is longer than ${JTI_CHARS_MAX}`);
  return jti;
}

function checkRequest({ htm, htu }: Claims, { method, path }: ProofTarget, { origins }: ProofOptions): void {
  if (typeof htm !== "string" || typeof htu !== "string") refuseProof("htm or htu is missing");
  else if (htm !== method) refuseProof("htm is not the method");
  else if (!isUrlOf(htu, origins, path)) refuseProof("htu is not the URL");
}

/**
 * Check 10 and 11: a nonce of ours tells the time; without one the caller's clock does (RFC 9449 §4.3: "as determined by
 * either the iat claim or a server managed timestamp via the nonce claim"). Who has no clock gets a nonce.
 */
function checkTime({ iat, nonce }: Claims, options: ProofOptions): boolean {
  const { ageSecondsMax, skewSeconds, knownSince = Number.NEGATIVE_INFINITY } = options;
  const now = Date.now();
  if (typeof iat !== "number" || !Number.isFinite(iat)) return refuseProof("iat is missing");
  if (nonce !== undefined) {
    const issuedAt = typeof nonce === "string" ? options.nonces.issuedAt(nonce) : undefined;
    const ageMs = now - (issuedAt ?? Number.NEGATIVE_INFINITY);
    if (issuedAt === undefined || issuedAt < knownSince || ageMs > ageSecondsMax * 1000 || ageMs < -skewSeconds * 1000)
      throw new TokenRefusedError("use_dpop_nonce", "nonce is unknown or too old", "dpop");
    return ageMs > ageSecondsMax * 500;
  }
  if (options.nonceRequired) throw new TokenRefusedError("use_dpop_nonce", "no nonce", "dpop");
  if (iat * 1000 < now - ageSecondsMax * 1000 || iat * 1000 > now + skewSeconds * 1000)
    throw new TokenRefusedError("use_dpop_nonce", "iat is outside of the window", "dpop");
  if (iat * 1000 <= knownSince + skewSeconds * 1000)
    throw new TokenRefusedError("use_dpop_nonce", "iat is from before this process began to remember", "dpop");
  return false;
}
