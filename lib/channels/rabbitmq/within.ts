import { setTimeout as sleep } from "node:timers/promises";

/** Something at RabbitMQ took longer than it may. */
export class TooSlowError extends Error {
  override name = "TooSlowError";
}

/** What `work` comes to, if it does so in time; afterwards its outcome is nobody's. @throws TooSlowError naming it */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const late = sleep(ms, undefined, { signal: ended.signal }).then(
    () => Promise.reject(new TooSlowError(`${what}: no answer within ${ms} ms`)),
    () => undefined as never,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
    work.catch(() => {});
  }
}
