import { setTimeout as sleep } from "node:timers/promises";

export interface BackOffOptions {
  /** Wait before the first retry, milliseconds; doubles with each. @default 50 */
  retryMs?: number;
  /** Longest wait, milliseconds. @default 5000 */
  retryMaxMs?: number;
}

/** Capped exponential wait with jitter (half of it random), so that many consumers don't come back in step. */
export function backOffMs(failures: number, { retryMs = 50, retryMaxMs = 5000 }: BackOffOptions): number {
  const cap = Math.min(retryMaxMs, retryMs * 2 ** Math.min(failures - 1, 30));
  return cap / 2 + (Math.random() * cap) / 2;
}

/** Waits before the next retry. @throws AbortError at once when the signal is aborted. */
export const backOff = (failures: number, options: BackOffOptions, signal: AbortSignal): Promise<void> =>
  sleep(backOffMs(failures, options), undefined, { signal });
