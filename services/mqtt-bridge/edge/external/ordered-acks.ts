interface Slot {
  readonly messageId: number;
  settled: boolean;
}

/** Acknowledgements leave in the order in which their messages came (MQTT-4.6.0-2), whatever the order of commits. */
export class OrderedAcks {
  readonly #send: (messageId: number) => void;
  #slots: Slot[] = [];
  #head = 0;
  #closed = false;

  constructor(send: (messageId: number) => void) {
    this.#send = send;
  }

  /** A message came; the function is to be called when it may be acknowledged. */
  open(messageId: number): () => void {
    const slot: Slot = { messageId, settled: false };
    this.#slots.push(slot);
    return () => {
      slot.settled = true;
      this.#flush();
    };
  }

  /** The connection is gone: the broker sends again what was not acknowledged. */
  close(): void {
    this.#closed = true;
    this.#slots = [];
  }

  #flush(): void {
    if (this.#closed) return;
    for (let slot = this.#slots[this.#head]; slot?.settled; slot = this.#slots[++this.#head])
      this.#send(slot.messageId);
    if (this.#head < 1024 && this.#head < this.#slots.length) return;
    this.#slots = this.#slots.slice(this.#head);
    this.#head = 0;
  }
}
