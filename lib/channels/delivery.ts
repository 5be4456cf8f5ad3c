import { type BackOffOptions, backOff } from "./back-off.ts";
import { isFinal, isOutage } from "./errors.ts";

/** What delivery needs to know of a consumer; engine-neutral. */
export interface Delivery<M> extends BackOffOptions {
  /** Retries in place before the poison is isolated. */
  maxRetries: number;
  /** Aborted when the consumer stops or is sent elsewhere: the batch is given up between two attempts. */
  signal: AbortSignal;
  /** One attempt: decodes the messages and runs the handler. */
  call(messages: readonly M[]): Promise<unknown>;
  /** Throws when the messages are no longer this consumer's. */
  checkOwned(): void;
  /** Puts one message aside for good; every message before it has been delivered. */
  poison(message: M, error: unknown, attempts: number): Promise<void>;
  failed(error: unknown, failures: number, messages: readonly M[]): void;
}

/**
 * Delivers the messages in order, whatever it takes. An outage is retried for ever, any other error `maxRetries` times;
 * then the batch is bisected, so that only the poison itself is put aside and all else is delivered in order.
 *
 * @throws AbortError when the consumer stops meanwhile, and what `checkOwned` or `poison` throws: nothing may be
 * committed then.
 */
export async function deliver<M>(
  delivery: Delivery<M>,
  messages: readonly M[],
  retries?: number,
  attempts = 0,
): Promise<void> {
  const retriesMax = retries ?? delivery.maxRetries;
  let error: unknown;
  for (let failures = 0, faults = 0; ; ) {
    try {
      await delivery.call(messages);
      return;
    } catch (thrown) {
      error = thrown;
    }
    attempts++;
    delivery.failed(error, ++failures, messages);
    if (!isOutage(error) && (isFinal(error) || ++faults > retriesMax)) break;
    await backOff(failures, delivery, delivery.signal);
    delivery.checkOwned();
  }
  const [first] = messages;
  if (first === undefined) return;
  if (messages.length === 1) {
    delivery.checkOwned();
    return delivery.poison(first, error, attempts);
  }
  const middle = messages.length >> 1;
  for (const half of [messages.slice(0, middle), messages.slice(middle)]) {
    delivery.signal.throwIfAborted();
    // A half is on the way to the poison: only a message that stands alone is given its retries again.
    await deliver(delivery, half, half.length === 1 ? delivery.maxRetries : 0, attempts);
  }
}
