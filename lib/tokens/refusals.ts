import { Errors } from "moleculer";

/** RFC 6750 §3.1 and RFC 9449 §7.1, §9. */
export type RefusalCode =
  | "invalid_request"
  | "invalid_token"
  | "insufficient_scope"
  | "invalid_dpop_proof"
  | "use_dpop_nonce";

export type Scheme = "bearer" | "dpop";

const REFUSALS: Record<RefusalCode | "credentials_missing", { status: number; detail: string }> = {
  credentials_missing: { status: 401, detail: "An access token is required." },
  invalid_request: { status: 400, detail: "The authorization of the request is malformed." },
  invalid_token: { status: 401, detail: "The access token is not valid here." },
  insufficient_scope: { status: 403, detail: "The access token's scope does not allow this." },
  invalid_dpop_proof: { status: 401, detail: "The DPoP proof is not valid for this request." },
  use_dpop_nonce: { status: 401, detail: "The DPoP proof needs the nonce of this answer." },
};

/** A request that its credentials do not allow. The caller learns the code, the log the reason. */
export class TokenRefusedError extends Errors.MoleculerClientError {
  /** Absent where the request has no credentials at all (RFC 6750 §3.1: then no code is told). */
  readonly error: RefusalCode | undefined;
  /** Of the caller's credentials, where it has some. */
  scheme: Scheme | undefined;
  /** For operators; never holds a token, a proof or a part of one. */
  readonly reason: string;

  constructor(error: RefusalCode | undefined, reason: string, scheme?: Scheme) {
    const name = error ?? "credentials_missing";
    const { status, detail } = REFUSALS[name];
    super(detail, status, name.toUpperCase());
    this.error = error;
    this.reason = reason;
    this.scheme = scheme;
  }
}

/** @throws TokenRefusedError `invalid_dpop_proof` */
export const refuseProof = (reason: string): never => {
  throw new TokenRefusedError("invalid_dpop_proof", reason, "dpop");
};

/** 503: the issuer's keys or revocations are not known, so that no token can be judged. */
export class IssuerUnavailableError extends Errors.MoleculerServerError {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, 503, "ISSUER_UNAVAILABLE");
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** 429: as many proofs as may be remembered are; one more could be used twice. */
export class ProofsFullError extends Errors.MoleculerClientError {
  constructor() {
    super("Too many DPoP proofs at once.", 429, "PROOFS_FULL");
  }
}
