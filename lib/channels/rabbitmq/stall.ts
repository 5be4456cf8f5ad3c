/**
 * Notices that this process hung: for so long that the broker may have taken it for dead, and given what it had to
 * others. Deliveries that it then finds in its socket are nobody's.
 */
export class StallWatch {
  readonly #maxMs: number;
  readonly #stalled: (ms: number) => void;
  readonly #timer: NodeJS.Timeout;
  #last = performance.now();

  constructor(maxMs: number, stalled: (ms: number) => void) {
    this.#maxMs = maxMs;
    this.#stalled = stalled;
    this.#timer = setInterval(() => this.#look(), maxMs / 4).unref();
  }

  /** Whether it hung and `stalled` was not called yet. */
  get stalled(): boolean {
    return performance.now() - this.#last > this.#maxMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const ms = performance.now() - this.#last;
    this.#last += ms;
    if (ms > this.#maxMs) this.#stalled(ms);
  }
}
