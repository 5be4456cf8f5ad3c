import type { Faults } from "./faults.ts";
import { random } from "./random.ts";

/** Messages of one loss of connection at most, and messages that one may be late by. */
const LOST_MAX = 8;
const LATE_MAX = 5;

/** What is planned for one message; 0 is nothing. */
export interface MessageFaults {
  /** Sent after so many later ones. */
  lateBy: number;
  /** Sent once more after so many others. */
  againAfter: number;
  /** With this message begins a loss that so many messages share. */
  lost: number;
  /** Part of the last packet that leaves before the connection ends. */
  cutAt: number;
}

/** Faults of one device: they depend on the seed, its id and the number of its messages, and on nothing that happens. */
export class FaultPlan {
  /** Microseconds that its clock is ahead. */
  readonly skewMicros: number;
  readonly slowReader: boolean;
  readonly #faults: Faults;
  /** Each fault has numbers of its own, so that asking for one more leaves the others as they are. */
  readonly #late: () => number;
  readonly #again: () => number;
  readonly #lost: () => number;

  constructor(faults: Faults, seed: number, deviceId: string) {
    const numbers = (purpose: string) => random(seed ^ hash(`${purpose} ${deviceId}`));
    this.#faults = faults;
    this.#late = numbers("reordering");
    this.#again = numbers("duplicates");
    this.#lost = numbers("loss-of-connection");
    this.skewMicros = Math.round((numbers("clock-skew")() * 2 - 1) * faults.clockSkewMs * 1000);
    this.slowReader = numbers("slow-reader")() < faults.slowReader;
  }

  /** Plans the next message. */
  next(): MessageFaults {
    const { reordering, duplicates, lossOfConnection } = this.#faults;
    return {
      lateBy: planned(this.#late, reordering, LATE_MAX),
      againAfter: planned(this.#again, duplicates, LATE_MAX),
      lost: planned(this.#lost, lossOfConnection, LOST_MAX),
      cutAt: this.#lost(),
    };
  }
}

/** Takes two numbers whatever comes of it: a share does not move what follows. */
function planned(next: () => number, share: number, max: number): number {
  const [happens, extent] = [next() < share, next()];
  return happens ? 1 + Math.floor(extent * max) : 0;
}

/** FNV-1a, 32 bits (public domain, by G. Fowler, L. C. Noll and K.-P. Vo). */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
