import { createHash, type Hash } from "node:crypto";

export interface FactDigest {
  count: number;
  /** SHA-256 of what the facts hold, in their order. */
  digest: string;
}

/** What is in each partition, from whichever side it is read. */
export class FactDigests {
  readonly #partitions: { count: number; hash: Hash }[];

  constructor(partitions: number) {
    this.#partitions = Array.from({ length: partitions }, () => ({ count: 0, hash: createHash("sha256") }));
  }

  add(partition: number, key: string | null, headers: Record<string, string>, value: string): void {
    const known = this.#partitions[partition];
    if (!known) throw new RangeError(`there is no partition ${partition}`);
    known.count++;
    known.hash.update(`${JSON.stringify([key, Object.entries(headers).sort(), value])}\n`);
  }

  results(): FactDigest[] {
    return this.#partitions.map(({ count, hash }) => ({ count, digest: hash.copy().digest("hex") }));
  }
}
