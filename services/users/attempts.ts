import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { TooManyAttemptsError } from "./errors.ts";

export interface AttemptLimits {
  /** Failures for one account from one address. */
  pairMax: number;
  /** Failures for one account from anywhere: high, because a stranger can use them up. */
  accountMax: number;
  /** Failures from one address for any account. */
  addressMax: number;
  windowSeconds: number;
}

/** Counts failed attempts, in this process. What succeeds does not count. */
export class Attempts {
  readonly #limiters: { limiter: RateLimiterMemory; keyOf(account: string, address: string): string }[];

  constructor({ pairMax, accountMax, addressMax, windowSeconds: duration }: AttemptLimits) {
    this.#limiters = [
      {
        limiter: new RateLimiterMemory({ points: pairMax, duration }),
        keyOf: (account, address) => `${account} ${address}`,
      },
      { limiter: new RateLimiterMemory({ points: accountMax, duration }), keyOf: (account) => account },
      { limiter: new RateLimiterMemory({ points: addressMax, duration }), keyOf: (_, address) => address },
    ];
  }

  /** Counts an attempt before it is made: of many at once no more are made than may fail. @throws TooManyAttemptsError */
  async begin(account: string, address: string): Promise<void> {
    for (const { limiter, keyOf } of this.#limiters)
      await limiter.consume(keyOf(account, address)).catch((refusal: unknown) => {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        throw new TooManyAttemptsError(Math.ceil(refusal.msBeforeNext / 1000));
      });
  }

  /** It was no failure. */
  async succeeded(account: string, address: string): Promise<void> {
    for (const { limiter, keyOf } of this.#limiters) await limiter.reward(keyOf(account, address));
  }
}
