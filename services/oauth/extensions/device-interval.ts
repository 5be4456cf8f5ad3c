import type { Provider } from "oidc-provider";

/** RFC 8628 section 3.2: tells the interval that `slowDown` holds a device to. */
export function announceInterval(provider: Provider, interval: number): void {
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.oidc?.route === "device_authorization" && ctx.status === 200)
      ctx.body = { ...(ctx.body as object), interval };
  });
}
