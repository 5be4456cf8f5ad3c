import type { Provider } from "oidc-provider";
import { isDigest, isSecret } from "../client-secret.ts";

interface ClientAnswer {
  client_secret?: string;
  client_secret_expires_at?: number;
}

/** Clients are known by the digest of their secret: it is compared here, and shown only where it was just made. */
export function hashedSecrets(provider: Provider): void {
  Object.defineProperty(provider.Client.prototype, "compareClientSecret", {
    value(this: { clientSecret?: string }, given: unknown) {
      return isSecret(this.clientSecret, given);
    },
  });
  provider.use(async (ctx, next) => {
    await next();
    const body = ctx.body as ClientAnswer | undefined;
    if (!ctx.oidc || typeof body !== "object" || !isDigest(body?.client_secret)) return;
    const { client_secret: _, client_secret_expires_at: __, ...shown } = body;
    ctx.body = shown;
  });
}
