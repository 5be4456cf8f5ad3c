export type Value = number | boolean | string;

/** One reading of one device, ready to be published. */
export interface Message {
  deviceId: string;
  /** Time of measurement: RFC 3339, or a number of seconds (below 1e11) or milliseconds since 1970. */
  ts: number | string;
  values: Record<string, Value>;
  /** When to send it, milliseconds after the start of the run. */
  dueMs: number;
  /** It was sent before; on purpose it is sent once more. */
  again?: boolean;
  /** A loss of connection takes its acknowledgement; `cutAt` is the part of its packet that leaves, if it is the last. */
  lost?: { cutAt?: number };
}
