import { ProofsFullError } from "./refusals.ts";

/** Lets each proof pass once (RFC 9449 §11.1). */
export interface ReplayGuard {
  /** True for the first call with this key, false for every later one while a proof may be valid. */
  first(key: string): boolean | Promise<boolean>;
}

/** In the memory of this process: two generations of a set, so that forgetting costs nothing. */
export class JtiWindow implements ReplayGuard {
  #current = new Set<string>();
  #previous = new Set<string>();
  #since = Date.now();
  readonly #spanMs: number;
  readonly #entriesMax: number;

  /** @param seconds for which a key is remembered at least; at most twice as long. */
  constructor(seconds: number, entriesMax: number) {
    this.#spanMs = seconds * 1000;
    this.#entriesMax = entriesMax;
  }

  /** @throws ProofsFullError */
  first(key: string): boolean {
    this.#turn(Date.now());
    if (this.#current.has(key) || this.#previous.has(key)) return false;
    if (this.#current.size + this.#previous.size >= this.#entriesMax) throw new ProofsFullError();
    this.#current.add(key);
    return true;
  }

  #turn(now: number): void {
    const age = now - this.#since;
    if (age <= this.#spanMs) return;
    this.#previous = age > 2 * this.#spanMs ? new Set() : this.#current;
    this.#current = new Set();
    this.#since = now;
  }
}
