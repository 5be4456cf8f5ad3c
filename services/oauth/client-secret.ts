import { randomBytes, timingSafeEqual } from "node:crypto";
import { digest, isDigestOf } from "./digest.ts";
import { seal, unseal } from "./keys/seal.ts";

/** What is kept of a client's secret: enough to recognise it; of one that is an HMAC key all of it, sealed. */
export interface StoredSecret {
  kind: "digest" | "sealed";
  value: string;
}

/** Stands in the provider's memory for a secret of which only the digest is known. */
const DIGEST = "sha-256:";

/** 256 bits, so that a digest without salt and stretching tells nothing of it. */
export const makeSecret = (): string => randomBytes(32).toString("base64url");

/** Whether a client of this authentication method signs with its secret, which is needed in clear for that. */
export const isHmacMethod = (method: unknown): boolean => method === "client_secret_jwt";

/** @param secret in clear, or as `presentedSecret` made it of the one that is stored */
export function storedSecret(clientId: string, method: unknown, secret: string, key: Buffer): StoredSecret {
  if (isHmacMethod(method)) return { kind: "sealed", value: seal(key, `oauth-clients/${clientId}`, secret) };
  return { kind: "digest", value: isDigest(secret) ? secret.slice(DIGEST.length) : digest(secret) };
}

/** As the provider holds it: the secret itself, or a mark with its digest, which no secret is equal to. */
export const presentedSecret = (clientId: string, { kind, value }: StoredSecret, key: Buffer): string =>
  kind === "sealed" ? unseal(key, `oauth-clients/${clientId}`, value) : `${DIGEST}${value}`;

export const isDigest = (secret: unknown): secret is string => typeof secret === "string" && secret.startsWith(DIGEST);

/** @param held as `presentedSecret` made it */
export function isSecret(held: string | undefined, given: unknown): boolean {
  if (held === undefined || typeof given !== "string") return false;
  if (isDigest(held)) return isDigestOf(held.slice(DIGEST.length), given);
  const [a, b] = [Buffer.from(held), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
