import { createHash, randomBytes } from "node:crypto";
import type { Credential } from "../../schemas/device.ts";

/** Bytes of a secret: beyond guessing, so that one round of SHA-256 is enough to keep it (no dictionary to slow down). */
const SECRET_BYTES = 32;
/** Two, so that a device changes its secret without a gap: the new one is made, brought to it, and then the old revoked. */
export const CREDENTIALS_MAX = 2;

export interface StoredCredential {
  credentialId: string;
  kind: "access-token";
  digest: string;
  createdAt: Date;
}

/** A new secret, base64url. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");

/** What is stored of a secret. Looking it up by digest leaks no timing about the secret. */
export const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("base64url");

/** A device's credentials, oldest first, whichever version wrote its document. */
export const credentialsOf = (device: {
  credentials?: StoredCredential[];
  credential?: StoredCredential;
}): StoredCredential[] => [...(device.credential ? [device.credential] : []), ...(device.credentials ?? [])];

/** As callers see it. */
export const credentialOf = ({ credentialId, kind, createdAt }: StoredCredential): Credential => ({
  credentialId,
  kind,
  createdAt: createdAt.toISOString(),
});
