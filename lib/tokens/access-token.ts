import { errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { z } from "zod";
import { TenantId } from "../../schemas/common.ts";
import { TokenRefusedError } from "./refusals.ts";

export const ACCESS_TOKEN_ALGORITHMS = ["ES256", "EdDSA", "Ed25519", "RS256"] as const;

const name = z.string().min(1).max(512);

/** Of a JWT access token (RFC 9068 §2.2); `iss`, `aud` and times are checked before. */
const AccessTokenClaims = z.object({
  sub: name,
  client_id: name,
  jti: name,
  iat: z.number(),
  exp: z.number(),
  tenant: TenantId,
  scope: z.string().max(4096).optional(),
  /** The grant that it came from: one revocation ends all tokens of a login or device. */
  gid: name.optional(),
  /** RFC 9449 §6.1. A binding of another kind could not be checked here, so that such a token is refused. */
  cnf: z.strictObject({ jkt: z.string().regex(/^[\w-]{43}$/) }).optional(),
});
export type AccessTokenClaims = Readonly<z.output<typeof AccessTokenClaims>>;

export interface AccessTokenOptions {
  issuer: string;
  audience: string;
  key: JWTVerifyGetKey;
  /** What the issuer's clock and ours may differ by. */
  skewSeconds: number;
  bytesMax: number;
}

const refuse = (reason: string): never => {
  throw new TokenRefusedError("invalid_token", reason);
};

/** RFC 9068 §4: type, algorithm, signature, issuer, audience, times and the required claims. Stateless. */
export const accessTokenVerifier =
  ({ issuer, audience, key, skewSeconds, bytesMax }: AccessTokenOptions) =>
  /** @throws TokenRefusedError `invalid_token`; what `key` throws where keys cannot be had. */
  async (token: string): Promise<AccessTokenClaims> => {
    if (token.length > bytesMax) return refuse(`longer than ${bytesMax} bytes`);
    try {
      const { payload } = await jwtVerify(token, key, {
        issuer,
        audience,
        typ: "at+jwt",
        algorithms: [...ACCESS_TOKEN_ALGORITHMS],
        requiredClaims: ["exp", "iat", "sub", "client_id", "jti", "tenant"],
        clockTolerance: skewSeconds,
      });
      const claims = AccessTokenClaims.safeParse(payload);
      if (!claims.success) return refuse(`claim ${claims.error.issues[0]?.path.join(".")} is not as it must be`);
      return claims.data;
    } catch (error) {
      // Messages of `jose` name the check and the claim, never a value.
      return error instanceof errors.JOSEError ? refuse(error.message) : Promise.reject(error);
    }
  };
