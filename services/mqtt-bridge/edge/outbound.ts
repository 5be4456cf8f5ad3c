import type { AedesPublishPacket, Client } from "aedes";

/** Messages of QoS 1 and 2 on their way to one client. */
export interface Outbound {
  /** The broker has a message for the client; `done` frees the broker's slot. */
  deliver(packet: AedesPublishPacket, done: () => void): void;
  /** CONNACK is sent: what waits may follow. */
  begin(): void;
  /** The client has acknowledged a packet. */
  settled(packetId: number): void;
}

/** Messages to a session that ends with its connection: in memory, in flight up to a window, bounded behind it. */
export class MemoryOutbound implements Outbound {
  readonly #send: (packet: AedesPublishPacket, done: () => void) => void;
  readonly #window: number;
  readonly #maxQueued: number;
  readonly #overflow: () => void;
  readonly #waiting: AedesPublishPacket[] = [];
  #inFlight = 0;

  /** @param overflow the client acknowledges too little, and is to go */
  constructor(
    send: (packet: AedesPublishPacket, done: () => void) => void,
    window: number,
    maxQueued: number,
    overflow: () => void,
  ) {
    this.#send = send;
    this.#window = window;
    this.#maxQueued = maxQueued;
    this.#overflow = overflow;
  }

  deliver(packet: AedesPublishPacket, done: () => void): void {
    if (this.#inFlight < this.#window) {
      this.#inFlight++;
      this.#send(packet, done);
      return;
    }
    if (this.#waiting.length >= this.#maxQueued) this.#overflow();
    else this.#waiting.push(packet);
    setImmediate(done); // aedes' emitter has few slots: never hold one for a slow client
  }

  begin(): void {}

  settled(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    const next = this.#waiting.shift();
    if (!next) return;
    this.#inFlight++;
    this.#send(next, () => {});
  }
}

/** Messages that a client may have unacknowledged: its Receive Maximum, below MQTT 5 the edge's own bound. */
export const windowOf = (client: Client, maxInFlight: number): number =>
  client.version === 5 ? Math.min(client.receiveMaximum, maxInFlight) : maxInFlight;
