import { errors } from "oidc-provider";
import { digest } from "../digest.ts";
import type { SharedState } from "../storage/shared-state.ts";
import type { GrantWrapper } from "../wrap-grants.ts";

export const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";

/** Seconds that each `slow_down` adds (RFC 8628 section 3.5). */
const STEP_SECONDS = 5;
/** Of the interval: a clock that ticks in seconds may be early by one. */
const TOLERANCE_MS = 1000;

export interface SlowDownOptions {
  state: Pick<SharedState, "get" | "set">;
  /** Between two polls, as it is told to the device. */
  intervalSeconds: number;
  /** Without an end an impatient device would lock itself out. */
  ceilingSeconds?: number;
  codeSeconds: number;
  now?: () => number;
}

/**
 * RFC 8628 section 3.5: `slow_down` is a variant of `authorization_pending`, and only that is ever made one: the first
 * poll is free, and a code that is approved, denied or expired is answered at once.
 */
export const slowDown =
  ({ state, intervalSeconds, ceilingSeconds = 60, codeSeconds, now = Date.now }: SlowDownOptions): GrantWrapper =>
  (handler) =>
  async (ctx) => {
    try {
      await handler(ctx);
    } catch (error) {
      if (!(error instanceof errors.AuthorizationPending)) throw error;
      const key = `poll:${digest(String(ctx.oidc.params["device_code"]))}`;
      const last = await state.get<{ at: number; seconds: number }>(key);
      const early = last !== undefined && now() - last.at < last.seconds * 1000 - TOLERANCE_MS;
      const seconds = early
        ? Math.min(last.seconds + STEP_SECONDS, ceilingSeconds)
        : (last?.seconds ?? intervalSeconds);
      await state.set(key, { at: now(), seconds }, codeSeconds + 60);
      throw early ? new errors.SlowDown() : error;
    }
  };
