import type { IPublishPacket } from "mqtt-packet";

/** A message to the broker, at QoS 1. */
export interface Publication {
  topic: string;
  payload: Buffer;
  retain: boolean;
  expirySeconds?: number | undefined;
}

interface Pending {
  publication: Publication;
  resolve(): void;
  reject(error: Error): void;
}

/** Messages that wait until the broker takes more. */
const WAITING_MAX = 10_000;
const IDS = 65_535;
/** Nobody is subscribed: the broker has it all the same. */
const NO_SUBSCRIBERS = 0x10;

/** Messages to the broker until they are acknowledged: no more at once than it takes. */
export class Publishing {
  /** The broker's Receive Maximum; 0 until it is known. */
  #window = 0;
  readonly #send: (packet: IPublishPacket) => void;
  readonly #inFlight = new Map<number, Pending>();
  readonly #waiting: Pending[] = [];
  #lastId = 1;
  #closed: Error | undefined;

  constructor(send: (packet: IPublishPacket) => void) {
    this.#send = send;
  }

  set window(messages: number) {
    this.#window = messages;
    this.#pump();
  }

  publish(publication: Publication): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (this.#waiting.length >= WAITING_MAX)
      return Promise.reject(new Error(`${WAITING_MAX} messages wait for the broker`));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ publication, resolve, reject });
    this.#pump();
    return promise;
  }

  acknowledged(messageId: number, reasonCode: number): void {
    const pending = this.#inFlight.get(messageId);
    if (!pending) return;
    this.#inFlight.delete(messageId);
    if (reasonCode === 0 || reasonCode === NO_SUBSCRIBERS) pending.resolve();
    else pending.reject(new Error(`the broker refuses the message (0x${reasonCode.toString(16)})`));
    this.#pump();
  }

  close(error: Error): void {
    this.#closed = error;
    for (const { reject } of [...this.#inFlight.values(), ...this.#waiting.splice(0)]) reject(error);
    this.#inFlight.clear();
  }

  #pump(): void {
    while (this.#inFlight.size < this.#window) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#begin(next);
    }
  }

  #begin(pending: Pending): void {
    const { topic, payload, retain, expirySeconds } = pending.publication;
    // 1 is that of the SUBSCRIBE.
    do this.#lastId = this.#lastId >= IDS ? 2 : this.#lastId + 1;
    while (this.#inFlight.has(this.#lastId));
    this.#inFlight.set(this.#lastId, pending);
    this.#send({
      ...({ cmd: "publish", qos: 1, dup: false } as const),
      ...{ topic, payload, retain, messageId: this.#lastId },
      ...(expirySeconds === undefined ? {} : { properties: { messageExpiryInterval: expirySeconds } }),
    });
  }
}
