import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { StreamGoneError } from "./errors.ts";

/** What a pull brings; base64, because packets are JSON. `end` stands with the last. */
export interface Pulled {
  chunk: string;
  end: boolean;
}

/** Well below what a packet may be, after base64. */
const CHUNK_BYTES_MAX = 262_144;
const CHECK_MS = 5000;

interface Offer {
  stream: Readable;
  chunks: AsyncIterator<Buffer | string>;
  rest: Buffer;
  touchedAt: number;
}

/**
 * Streams of this process that others may read: chunk by chunk, each asked for when the former one was taken, so that a
 * slow reader slows its stream and nothing piles up between the two.
 */
export class StreamOffers {
  readonly #offers = new Map<string, Offer>();
  readonly #idleMs: number;
  readonly #sweeper: NodeJS.Timeout;

  /** @param idleMs after which a stream that nobody asks for is given up. */
  constructor(idleMs: number) {
    this.#idleMs = idleMs;
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(idleMs, CHECK_MS)).unref();
  }

  get size(): number {
    return this.#offers.size;
  }

  offer(stream: Readable): string {
    const id = randomUUID();
    // An error that comes before anybody reads; the iterator tells it to whoever does.
    stream.on("error", () => {});
    const chunks = stream.iterator({ destroyOnReturn: false });
    this.#offers.set(id, { stream, chunks, rest: Buffer.alloc(0), touchedAt: Date.now() });
    return id;
  }

  /** The next bytes. @throws StreamGoneError; the stream's own error */
  async pull(id: string): Promise<Pulled> {
    const offer = this.#touched(id);
    while (offer.rest.length === 0) {
      const { done, value } = await offer.chunks.next().catch((error: unknown) => {
        this.#offers.delete(id);
        throw error;
      });
      if (done) {
        this.#offers.delete(id);
        return { chunk: "", end: true };
      }
      offer.rest = Buffer.from(value as Buffer);
    }
    offer.touchedAt = Date.now();
    const chunk = offer.rest.subarray(0, CHUNK_BYTES_MAX);
    offer.rest = offer.rest.subarray(chunk.length);
    return { chunk: chunk.toString("base64"), end: false };
  }

  /** The reader still wants it, only not yet. */
  hold(id: string): void {
    this.#touched(id);
  }

  /** Nobody reads it any more. */
  drop(id: string): void {
    const offer = this.#offers.get(id);
    this.#offers.delete(id);
    offer?.stream.destroy();
  }

  /** Takes the offer back and leaves the stream to its owner. */
  withdraw(id: string): void {
    this.#offers.delete(id);
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const id of this.#offers.keys()) this.drop(id);
  }

  #touched(id: string): Offer {
    const offer = this.#offers.get(id);
    if (!offer) throw new StreamGoneError();
    offer.touchedAt = Date.now();
    return offer;
  }

  #sweep(): void {
    for (const [id, { touchedAt }] of this.#offers) if (Date.now() - touchedAt > this.#idleMs) this.drop(id);
  }
}
