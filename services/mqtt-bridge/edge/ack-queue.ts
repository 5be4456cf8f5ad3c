import type { Client } from "aedes";
import mqttPacket from "mqtt-packet";
import { wantsReasons, whenDrained } from "./aedes-internals.ts";
import type { Refusal } from "./reason.ts";

const REASON_LENGTH_MAX = 256;

/** The answer one PUBLISH waits for. */
export interface Slot {
  readonly qos: 1 | 2;
  readonly packetId: number;
  /** Lets aedes read on. */
  readonly done: () => void;
  answer: Buffer | undefined;
}

/**
 * PUBACKs and PUBRECs of one connection, in the order of their PUBLISHes (MQTT-4.6.0-2, -3) whatever the order their
 * commits end in. All that one commit settles leaves in one write.
 */
export class AckQueue {
  readonly #client: Client;
  #slots: Slot[] = [];
  #flushing = false;
  #closed = false;

  constructor(client: Client) {
    this.#client = client;
  }

  open(qos: 1 | 2, packetId: number, done: () => void): Slot {
    const slot: Slot = { qos, packetId, done, answer: undefined };
    this.#slots.push(slot);
    return slot;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** With a refusal MQTT 5 clients get its code and text; for older ones it is a plain acknowledgement. */
  settle(slot: Slot, refusal?: Refusal): void {
    slot.answer = refusal && this.#client.version === 5 ? this.#negative(slot, refusal) : positive(slot);
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(this.#flush);
  }

  /** Sends what is settled, and nothing after it. */
  close(): void {
    this.#flush();
    this.#closed = true;
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    let settled = 0;
    while (this.#slots[settled]?.answer !== undefined) settled++;
    if (settled === 0 || this.#closed || this.#client.closed) return;
    const slots = this.#slots.splice(0, settled);
    const answers = slots.map(({ answer }) => answer as Buffer);
    const proceed = () => {
      for (const { done } of slots) done();
    };
    if (this.#client.conn.write(answers.length === 1 ? (answers[0] as Buffer) : Buffer.concat(answers))) proceed();
    else whenDrained(this.#client, proceed);
  };

  #negative({ qos, packetId }: Slot, refusal: Refusal): Buffer {
    const reasonString = refusal.message.slice(0, REASON_LENGTH_MAX).toWellFormed();
    const packet = { cmd: qos === 1 ? "puback" : "pubrec", messageId: packetId, reasonCode: refusal.code } as const;
    const full = mqttPacket.generate({ ...packet, properties: { reasonString } }, { protocolVersion: 5 });
    // MQTT-3.4.2-2: a text that would make the packet too large for the client is left out.
    const fits = full.length <= (this.#client.maximumPacketSize ?? full.length);
    return wantsReasons(this.#client) && fits ? full : mqttPacket.generate(packet, { protocolVersion: 5 });
  }
}

/** Four bytes in every version: MQTT 5 lets success go unsaid (section 3.4.2.1). */
const positive = ({ qos, packetId }: Slot): Buffer =>
  Buffer.from([qos === 1 ? 0x40 : 0x50, 2, packetId >> 8, packetId & 0xff]);
