/** What a handler learns of a message beside its payload. */
export interface RawMessage {
  position: number;
  key: string | null;
  headers: Record<string, string>;
  /** When the channel took it, milliseconds since 1970; never decreases along a channel. */
  timestamp: number;
}

export interface PublishOptions {
  /** Messages with one key keep their order. */
  key?: string | undefined;
  headers?: Record<string, string> | undefined;
  /** The payload is its JSON text already, a string or a Buffer. */
  raw?: boolean | undefined;
}

/** One of `publishMany`. */
export interface Publication extends PublishOptions {
  payload: unknown;
}
