import type { IncomingMessage } from "node:http";
import type { RateLimiterRes } from "rate-limiter-flexible";
import RateLimiterMemory from "rate-limiter-flexible/lib/RateLimiterMemory.js";

/**
 * Counts the requests of each address in a window. The address is the socket's: a header that names another one is
 * the caller's own invention.
 */
export function rateLimit(requestsMax: number, windowSeconds: number) {
  const limiter = new RateLimiterMemory({ points: requestsMax, duration: windowSeconds });
  /** Seconds to wait where the limit is reached, else undefined. */
  return async (request: IncomingMessage): Promise<number | undefined> => {
    try {
      await limiter.consume(request.socket.remoteAddress ?? "unknown");
      return undefined;
    } catch (refused) {
      return Math.max(1, Math.ceil((refused as RateLimiterRes).msBeforeNext / 1000));
    }
  };
}
