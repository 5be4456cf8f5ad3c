import { hash } from "node:crypto";
import type { Comparison } from "./part.ts";

/** Differences that are named. */
const NAMED_MAX = 100;

/** What each thing holds on one side, held against the other; the order in which a side tells them does not matter. */
export class Ledger {
  readonly #what: string;
  readonly #here = new Map<string, string>();
  readonly #differences: string[] = [];
  #matched = 0;
  #there = 0;

  /** @param what one of them, such as `document devices` */
  constructor(what: string) {
    this.#what = what;
  }

  get here(): number {
    return this.#here.size + this.#matched;
  }

  get there(): number {
    return this.#there;
  }

  addHere(id: string, content: string | Uint8Array): void {
    this.#here.set(id, digestOf(content));
  }

  /** After everything was told of here. */
  addThere(id: string, content: string | Uint8Array): void {
    this.#there++;
    const known = this.#here.get(id);
    if (known === undefined) this.#differ(`${this.#what} ${id}: is not here`);
    else if (known !== digestOf(content)) this.#differ(`${this.#what} ${id}: is another one there`);
    if (this.#here.delete(id)) this.#matched++;
  }

  /** At the end. */
  get differences(): string[] {
    const missing: string[] = [];
    for (const id of this.#here.keys()) {
      if (missing.length === NAMED_MAX) break;
      missing.push(`${this.#what} ${id}: is not there`);
    }
    return [...this.#differences, ...missing];
  }

  comparison(what: string): Comparison {
    return { what, here: String(this.here), there: String(this.there), differences: this.differences };
  }

  #differ(difference: string): void {
    if (this.#differences.length < NAMED_MAX) this.#differences.push(difference);
  }
}

const digestOf = (content: string | Uint8Array): string => hash("sha256", content, "base64").slice(0, 16);
