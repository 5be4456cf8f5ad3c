import { refuseProof } from "./refusals.ts";

/** The object that a part of a proof holds. @throws TokenRefusedError where it holds none. */
export function partOf(part: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {}
  return refuseProof("no JWT");
}
