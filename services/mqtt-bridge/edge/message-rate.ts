/** One device's share. */
export interface DeviceRate {
  /** Whether another message is within the rate. */
  take(nowMs: number): boolean;
  leave(): void;
}

interface Bucket {
  tokens: number;
  /** Milliseconds, by whatever clock. */
  at: number;
  connections: number;
}

/** Messages per second and device, over all its connections; a second's worth may come at once. */
export class MessageRate {
  readonly #perSecond: number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param perSecond 0 = no limit, and no rate */
  static of(perSecond: number): MessageRate | undefined {
    return perSecond > 0 ? new MessageRate(perSecond) : undefined;
  }

  private constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  /** Whether not one more of the device would be within the rate. */
  isExhausted(device: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(device);
    return bucket !== undefined && this.#tokens(bucket, nowMs) < 1;
  }

  /** Counts a connection of the device in. */
  enter(device: string): DeviceRate {
    const bucket = this.#buckets.get(device) ?? { tokens: this.#perSecond, at: 0, connections: 0 };
    this.#buckets.set(device, bucket);
    bucket.connections++;
    return {
      take: (nowMs) => {
        bucket.tokens = this.#tokens(bucket, nowMs);
        bucket.at = nowMs;
        if (bucket.tokens < 1) return false;
        bucket.tokens--;
        return true;
      },
      leave: () => {
        bucket.connections--;
        // Kept for a while: who comes back at once has not got another second's worth.
        setTimeout(() => {
          if (bucket.connections === 0 && this.#buckets.get(device) === bucket) this.#buckets.delete(device);
        }, 1000).unref();
      },
    };
  }

  #tokens({ tokens, at }: Bucket, nowMs: number): number {
    const elapsed = Math.max(0, nowMs - at);
    return Math.min(this.#perSecond, tokens + (elapsed / 1000) * this.#perSecond);
  }
}
