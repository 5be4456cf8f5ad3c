import { createHash, randomBytes } from "node:crypto";

/** Bytes of a secret: beyond guessing, so that one round of SHA-256 is enough to keep it (no dictionary to slow down). */
const SECRET_BYTES = 32;

/** A new secret, base64url. */
export const newSecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");

/** What is stored of a secret. Looking it up by digest leaks no timing about the secret. */
export const digestOf = (secret: string): string => createHash("sha256").update(secret).digest("base64url");
