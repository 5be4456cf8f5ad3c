import { createHmac, timingSafeEqual } from "node:crypto";

const TIME_BYTES = 6;
const MAC_BYTES = 16;

/**
 * Nonces of the resource server (RFC 9449 §9): the time of issue with a MAC, so that nothing is stored. Servers that have
 * the same secret accept each other's.
 */
export class Nonces {
  readonly #secret: Buffer;

  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  issue(nowMs = Date.now()): string {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUIntBE(Math.floor(nowMs), 0, TIME_BYTES);
    return Buffer.concat([time, this.#mac(time)]).toString("base64url");
  }

  /** When it was issued, milliseconds since 1970; undefined where it was not by us. */
  issuedAt(nonce: string): number | undefined {
    const bytes = Buffer.from(nonce, "base64url");
    if (bytes.length !== TIME_BYTES + MAC_BYTES) return undefined;
    const time = bytes.subarray(0, TIME_BYTES);
    if (!timingSafeEqual(this.#mac(time), bytes.subarray(TIME_BYTES))) return undefined;
    return time.readUIntBE(0, TIME_BYTES);
  }

  #mac(time: Buffer): Buffer {
    return createHmac("sha256", this.#secret).update(time).digest().subarray(0, MAC_BYTES);
  }
}
