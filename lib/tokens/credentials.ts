import { type Scheme, TokenRefusedError } from "./refusals.ts";

/** RFC 6750 §2.1, RFC 9449 §7.1; names of schemes are case-insensitive (RFC 9110 §11.1). */
const CREDENTIALS = /^(Bearer|DPoP) +([\w\-.~+/]+=*)$/i;
const SCHEME = /^(Bearer|DPoP)( |$)/i;

/**
 * Scheme and token of an `Authorization` field.
 *
 * @throws TokenRefusedError without code where there is none, or another scheme's.
 */
export function credentialsOf(authorization: string | undefined): { scheme: Scheme; token: string } {
  const [, scheme, token] = CREDENTIALS.exec(authorization ?? "") ?? [];
  if (scheme && token) return { scheme: scheme.toLowerCase() as Scheme, token };
  const [, meant] = SCHEME.exec(authorization ?? "") ?? [];
  if (meant)
    throw new TokenRefusedError("invalid_request", "Authorization is malformed", meant.toLowerCase() as Scheme);
  throw new TokenRefusedError(undefined, authorization === undefined ? "no Authorization" : "another scheme");
}
