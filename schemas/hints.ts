import type { z } from "zod";
import type { ToldRevocation } from "./revocation.ts";

/**
 * What services broadcast to each other as Moleculer events: hints, which may be lost. Whoever needs the truth asks for
 * it; a hint only says that asking again is worth it.
 */
export interface Hints {
  /** A device may no longer connect, or not with this credential: suspended, deleted, credential revoked. */
  "device.access-revoked": { tenantId: string; deviceId: string; credentialId?: string };
  /** A device may connect where it might not before: it has a new credential, or is active again. */
  "device.access-granted": { tenantId: string; deviceId: string };
  /** There is a new version of the device's configuration. */
  "device.config-changed": { tenantId: string; deviceId: string };
  /** A device type was changed or deleted. */
  "device-type.changed": { tenantId: string; typeId: string };
  /** A user's roles in a tenant were changed, or the user may not act there any more. */
  "user.access-changed": { tenantId: string; userId: string };
  /** Whoever signed in with the former password has to do it again. */
  "user.password-changed": { userId: string };
  /** Nobody may act in the tenant. */
  "tenant.suspended": { tenantId: string };
  /** Access tokens have ended before they expire; `oauth.revocations` has the list. */
  "oauth.revoked": z.input<typeof ToldRevocation>;
  /** There are other signing keys. */
  "oauth.keys-changed": Record<string, never>;
}
