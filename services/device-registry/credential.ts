import { createHash, pbkdf2Sync, randomBytes } from "node:crypto";
import type { Credential } from "../../schemas/device.ts";

/** Bytes of a secret: beyond guessing, so that one round of SHA-256 is enough to keep it (no dictionary to slow down). */
const SECRET_BYTES = 32;
/** Two, so that a device changes its secret without a gap: the new one is made, brought to it, and then the old revoked. */
export const CREDENTIALS_MAX = 2;

export interface StoredCredential {
  credentialId: string;
  kind: "access-token";
  digest: string;
  /** For MQTT brokers that read a password file; absent in credentials of versions that did not make it. */
  brokerHash?: string;
  createdAt: Date;
}

/** A new secret, base64url. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");

/** What is stored of a secret. Looking it up by digest leaks no timing about the secret. */
export const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("base64url");

/** mosquitto's own number of rounds: the secret is beyond guessing, whatever their number. */
const ROUNDS = 101;
const SALT_BYTES = 12;
const HASH_BYTES = 64;

/** The secret as a line of mosquitto's password file has it: `$7$rounds$salt$hash`, PBKDF2 with SHA-512. */
export function brokerHashOf(secret: string, salt = randomBytes(SALT_BYTES)): string {
  const hash = pbkdf2Sync(secret, salt, ROUNDS, HASH_BYTES, "sha512");
  return `$7$${ROUNDS}$${salt.toString("base64")}$${hash.toString("base64")}`;
}

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
