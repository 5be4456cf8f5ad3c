import { hash } from "node:crypto";

/** SHA-256 of the text, base64url: `ath` (RFC 9449 §4.2) and the thumbprint of a key (RFC 7638 §3). */
export const digest = (text: string): string => hash("sha256", text, "base64url");
