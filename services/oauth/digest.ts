import { hash, timingSafeEqual } from "node:crypto";

/** base64url(SHA-256(value)): ids at rest, secrets at rest, `ath` (RFC 9449 section 4.2). */
export const digest = (value: string): string => hash("sha256", value, "base64url");

/** Whether `value` is what the digest was made of, in a time that does not depend on where they differ. */
export function isDigestOf(expected: string, value: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(digest(value))];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Seconds since 1970. */
export const epochSeconds = (): number => Math.floor(Date.now() / 1000);
