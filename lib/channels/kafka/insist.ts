import { type BackOffOptions, backOff } from "../back-off.ts";

/** Waits between two tries of what has to be done before anything goes on. */
const PATIENT: BackOffOptions = { retryMs: 200, retryMaxMs: 5000 };

/** Does it until it succeeds. @throws what `failed` throws, and AbortError when the signal is aborted. */
export async function insist<T>(
  work: () => Promise<T>,
  signal: AbortSignal,
  failed: (error: unknown) => void,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      failed(error);
    }
    await backOff(failures, PATIENT, signal);
  }
}
