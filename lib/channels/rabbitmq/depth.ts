/** How old a count may be before it is made again, milliseconds. */
const FRESH_MS = 1000;

/**
 * Holds a channel below its depth. RabbitMQ's own limit is not exact, and its number could never be changed; so what
 * is there is counted, what this process publishes is added to it, and where the sum reaches the limit it is counted
 * again before anything is refused. Of what other processes publish at the same time it learns within a second.
 */
export class Depth {
  readonly #max: number;
  readonly #count: () => Promise<number>;
  #known: number | undefined;
  #countedAt = 0;
  /** Messages that are sent and not confirmed: they may be in a count, or not. */
  #unconfirmed = 0;
  #sinceAsked = 0;
  #counting: Promise<void> | undefined;
  #settled: (() => void) | undefined;

  constructor(max: number, count: () => Promise<number>) {
    this.#max = max;
    this.#count = count;
  }

  /** Takes room for some messages, to be given back by `settle`; false when it must be asked for by `reserve`. */
  tryReserve(messages: number): boolean {
    if (this.#gate || this.#known === undefined || this.#known + messages > this.#max) return false;
    this.#take(messages);
    if (Date.now() - this.#countedAt > FRESH_MS && !this.#counting) this.#refresh().catch(() => {});
    return true;
  }

  /** The same where it is not known without asking; false when there is no room. */
  async reserve(messages: number): Promise<boolean> {
    if (this.tryReserve(messages)) return true;
    await this.#exactly();
    if ((this.#known ?? 0) + messages > this.#max) return false;
    this.#take(messages);
    return true;
  }

  /** Messages were confirmed, or refused. */
  settle(messages: number, stored: boolean): void {
    this.#unconfirmed -= messages;
    if (!stored && this.#known !== undefined) this.#known -= messages;
    if (this.#unconfirmed === 0) this.#settled?.();
  }

  #take(messages: number): void {
    this.#known = (this.#known ?? 0) + messages;
    this.#unconfirmed += messages;
    this.#sinceAsked += messages;
  }

  #gate: Promise<void> | undefined;

  /** Counts while nothing of this process is on its way. Whoever asks meanwhile waits for the same count. */
  #exactly(): Promise<void> {
    this.#gate ??= (async () => {
      try {
        if (this.#unconfirmed > 0) await new Promise<void>((resolve) => (this.#settled = resolve));
        await this.#refresh();
      } finally {
        this.#settled = undefined;
        this.#gate = undefined;
      }
    })();
    return this.#gate;
  }

  async #refresh(): Promise<void> {
    await this.#counting?.catch(() => {});
    const before = this.#unconfirmed;
    this.#sinceAsked = 0;
    this.#counting = this.#count()
      .then((counted) => {
        // Rather too many than too few: what is on its way may have been counted already.
        this.#known = counted + before + this.#sinceAsked;
        this.#countedAt = Date.now();
      })
      .finally(() => {
        this.#counting = undefined;
      });
    await this.#counting;
  }
}
