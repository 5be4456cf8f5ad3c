import type { Arrival, InboundMessage } from "../edge-policy.ts";

/** What a broker brings, whatever its protocol. */
export interface Brought {
  readonly tenantId: string;
  readonly deviceId: string;
  /** As dialects know it. */
  readonly topic: string;
  readonly payload: Buffer;
  readonly contentType: string | undefined;
  readonly messageId: string | undefined;
  readonly traceparent: string | undefined;
  /** Microseconds since 1970. */
  readonly receivedAt: number;
  /** What names the message where nothing in it does. */
  arrival(): Arrival;
  /** As that of InboundMessage; to be asked for after `arrival`. */
  kept?(): Promise<void> | undefined;
}

/** A message from a broker, as the policy sees it. */
export class BrokerMessage implements InboundMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly contentType: string | undefined;
  readonly messageId: string | undefined;
  readonly traceparent: string | undefined;
  readonly receivedAt: number;
  readonly sessionEpoch: number;
  readonly presence = "unknown";
  headers?: Record<string, string>;
  readonly #brought: Brought;
  #arrival: Arrival | undefined;

  constructor(brought: Brought, sessionEpoch: number) {
    this.topic = brought.topic;
    this.payload = brought.payload;
    this.contentType = brought.contentType;
    this.messageId = brought.messageId;
    this.traceparent = brought.traceparent;
    this.receivedAt = brought.receivedAt;
    this.sessionEpoch = sessionEpoch;
    this.#brought = brought;
  }

  arrival(): Arrival {
    this.#arrival ??= this.#brought.arrival();
    return this.#arrival;
  }

  get kept(): Promise<void> | undefined {
    return this.#arrival && this.#brought.kept?.();
  }
}
