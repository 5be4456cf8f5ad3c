import type { Provider } from "oidc-provider";
import { problemOf } from "../../../lib/problem.ts";

const RETRY_SECONDS = "2";

/** What a part of the platform that is away causes is no fault of the server: it is told so, and when to come again. */
export function tellUnavailable(provider: Provider, failed: (error: Error) => void): void {
  const causes = new WeakMap<object, Error>();
  provider.on("server_error", (ctx, error) => {
    causes.set(ctx, error);
    failed(error);
  });
  provider.use(async (ctx, next) => {
    await next();
    const cause = causes.get(ctx);
    if (!cause || ctx.status !== 500 || problemOf(cause).status === 500) return;
    ctx.status = 503;
    ctx.set("retry-after", RETRY_SECONDS);
    if (ctx.type === "application/json")
      ctx.body = { error: "temporarily_unavailable", error_description: "a part of the platform is not running" };
  });
}
