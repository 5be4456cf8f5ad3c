/** A message's place: a number in a channel of one order, `partition:offset` where there are partitions (Kafka). */
export type Position = number | string;

/** What a handler learns of a message beside its payload. */
export interface RawMessage {
  position: Position;
  key: string | null;
  headers: Record<string, string>;
  /** When the channel took it, milliseconds since 1970; never decreases along a channel. */
  timestamp: number;
}

/** The same of an item of a work channel. */
export interface WorkMessage extends RawMessage {
  /** Deliveries so far, this one included; one that failed by an outage does not count. */
  deliveries: number;
}

export interface PublishOptions {
  /** Messages with one key keep their order. */
  key?: string | undefined;
  headers?: Record<string, string> | undefined;
  /** The payload is its JSON text already, a string or a Buffer. */
  raw?: boolean | undefined;
}

/** Of an item of a work channel. */
export interface WorkOptions extends PublishOptions {
  /** How long the item may wait for its delivery, milliseconds; then it is a dead letter. */
  ttlMs?: number | undefined;
  /** Until when the item may be delivered, milliseconds since 1970; of the two limits the earlier one holds. */
  expiresAt?: number | undefined;
  /** Not to be delivered before so many milliseconds are over. */
  delayMs?: number | undefined;
}

/** One of `publishMany`. */
export interface Publication extends WorkOptions {
  payload: unknown;
}
