/**
 * Where a reading's identity comes from, best first. The instant is not hashed: it is part of the reading's key.
 *
 * - `i` the item's own id
 * - `m` the message's own id (MQTT 5 user property `message-id`) and the item's place
 * - `p` the values, where the item brings its own time: without a place, so that the same reading twice is one
 * - `s` the packet (session epoch and counter) and the item's place
 */
export interface IdentitySource {
  /** Own id of the item; 5 and "5" are two. */
  id: string | number | undefined;
  /** Own id of the message. */
  messageId: string | undefined;
  /** Whether the item brings its own time. */
  timed: boolean;
  /** JSON text of the values, in the order received. */
  values: string;
  /** Names the packet: epoch and counter. Read only where nothing above it is given. */
  packet: string;
  /** The item's index in its message. */
  place: number;
}

/** `seq` of a reading: an integer from 0 to 2^53 - 1, the same for the same source for all time. */
export function seqOf({ id, messageId, timed, values, packet, place }: IdentitySource): number {
  if (id !== undefined) return stableHash(typeof id === "string" ? `i"${id}` : `i${id}`);
  if (messageId !== undefined) return stableHash(`m${place}:${messageId}`);
  if (timed) return stableHash(`p${values}`);
  return stableHash(`s${packet}:${place}`);
}

/**
 * 53-bit hash of a text's UTF-16 code units (cyrb53, seed 0; public domain, by bryc). Not cryptographic, and need not
 * be: it tells apart the readings of one device and instant, and who forges a collision loses a reading of its own.
 * Its results are in every stored key: it must never change.
 */
export function stableHash(text: string): number {
  let high = 0x41c6ce57;
  let low = 0xdeadbeef;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 2654435761);
    high = Math.imul(high ^ unit, 1597334677);
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  return 4294967296 * (2097151 & high) + (low >>> 0);
}
