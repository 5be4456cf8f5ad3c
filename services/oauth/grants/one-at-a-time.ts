import { errors } from "oidc-provider";
import { digest } from "../digest.ts";
import type { SharedState } from "../storage/shared-state.ts";
import type { GrantWrapper } from "../wrap-grants.ts";

/** How long one request may take. */
const SECONDS = 10;

/**
 * Requests with one code wait for each other: the first has its answer whole, and the next one finds the code used. At
 * once, the one that comes too late would end the grant while the other is still being answered.
 */
export const oneAtATime =
  (state: SharedState, parameter: "code" | "device_code"): GrantWrapper =>
  (handler) =>
  async (ctx) => {
    const code = ctx.oidc.params[parameter];
    if (typeof code !== "string" || !code) return handler(ctx);
    const busy = () => new errors.TemporarilyUnavailable("another request with this code is in progress");
    await state.exclusively(`code-lock:${digest(code)}`, SECONDS, busy, async () => handler(ctx));
  };
