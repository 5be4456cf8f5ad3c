import { PROOF_ALGORITHMS } from "./proof-keys.ts";
import type { TokenRefusedError } from "./refusals.ts";

const ALGS = `algs="${PROOF_ALGORITHMS.join(" ")}"`;

/**
 * The challenges of a refusal, one field `WWW-Authenticate` each (RFC 6750 §3, RFC 9449 §7.1): both schemes, and the code
 * at the one that the caller used.
 *
 * @param scope that the request needs; told where it is missing.
 */
export function challengesOf({ error, scheme }: TokenRefusedError, scope?: string): string[] {
  const told = (mine: boolean) => [
    ...(mine && error ? [`error="${error}"`] : []),
    ...(scope !== undefined && (error === undefined || (mine && error === "insufficient_scope"))
      ? [`scope="${scope}"`]
      : []),
  ];
  const bearer = told(scheme !== "dpop").join(", ");
  const dpop = [...told(scheme === "dpop"), ALGS].join(", ");
  // A token that is bound to a key, or a proof, is no matter of Bearer.
  if (scheme === "dpop") return [`DPoP ${dpop}`];
  return [bearer === "" ? "Bearer" : `Bearer ${bearer}`, `DPoP ${dpop}`];
}
