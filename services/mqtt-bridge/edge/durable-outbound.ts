import type { AedesPublishPacket, Client } from "aedes";
import mqttPacket, { type IPublishPacket } from "mqtt-packet";
import { whenDrained } from "./aedes-internals.ts";
import type { Outbound } from "./outbound.ts";
import type { OutgoingQueue, Queued } from "./persistence/outgoing-queue.ts";
import type { QueuedPacket } from "./persistence/packet-text.ts";

/** Messages that are read from the queue at once. */
const BATCH = 64;
const PACKET_IDS = 65_535;

export interface DurableOutboundParts {
  client: Client;
  queue: OutgoingQueue;
  /** Unacknowledged messages at most (MQTT-3.3.4-9). */
  window: number;
  /** The topic as the client knows it; undefined where it is not its own. */
  outward(topic: string): string | undefined;
  /** The queue can't be read or written. */
  failed(error: unknown): void;
}

/**
 * Messages to a session that outlives its connection. The queue on file is the only one: a message is read from it when
 * the client has room, and its packet id is durable before it is sent, so that a restart sends it under the same id,
 * marked DUP (MQTT-3.3.1-1, MQTT-4.4.0-1).
 */
export class DurableOutbound implements Outbound {
  readonly #parts: DurableOutboundParts;
  readonly #inFlight = new Set<number>();
  /** Packet ids that messages of the queue have. */
  #taken = new Set<number>();
  #lastId = 0;
  #position = 0;
  #begun = false;
  #running = false;

  constructor(parts: DurableOutboundParts) {
    this.#parts = parts;
  }

  deliver(_packet: AedesPublishPacket, done: () => void): void {
    // It is in the queue already.
    setImmediate(done);
    this.pump();
  }

  begin(): void {
    this.#begun = true;
    const { queue, client, failed } = this.#parts;
    try {
      this.#taken = new Set(queue.packetIds(client.id));
    } catch (error) {
      failed(error);
    }
    this.pump();
  }

  settled(packetId: number): void {
    this.#inFlight.delete(packetId);
    this.#taken.delete(packetId);
    this.pump();
  }

  /** Sends what waits, as far as the client takes it. */
  pump(): void {
    if (!this.#begun || this.#running) return;
    this.#running = true;
    this.#run()
      .catch((error) => this.#parts.failed(error))
      .finally(() => {
        this.#running = false;
      });
  }

  async #run(): Promise<void> {
    const { client, queue, window } = this.#parts;
    while (!client.closed && this.#inFlight.size < window) {
      const queued = queue.after(client.id, this.#position, Math.min(window - this.#inFlight.size, BATCH));
      if (queued.length === 0) return;
      const packets: Buffer[] = [];
      const fresh: { position: number; messageId: number }[] = [];
      for (const message of queued) {
        this.#position = message.position;
        const bytes = this.#bytes(message, fresh);
        if (bytes) packets.push(bytes);
        else queue.remove(message.position);
      }
      if (fresh.length > 0) await queue.sent(fresh);
      if (client.closed) return;
      if (packets.length > 0 && !client.conn.write(Buffer.concat(packets)))
        await new Promise<void>((resolve) => whenDrained(client, resolve));
    }
  }

  /** The packet to send; undefined where there is none for this client: expired, too large, or not its own. */
  #bytes({ packet, position }: Queued, fresh: { position: number; messageId: number }[]): Buffer | undefined {
    const { client, outward } = this.#parts;
    const protocolVersion = client.version as number;
    if (packet.cmd === "pubrel")
      return mqttPacket.generate({ cmd: "pubrel", messageId: packet.messageId as number }, { protocolVersion });
    const topic = outward(packet.topic as string);
    const sentBefore = packet.messageId !== undefined;
    const properties = propertiesNow(packet);
    if (topic === undefined || (!properties && !sentBefore)) return undefined;
    const messageId = packet.messageId ?? this.#freeId();
    const { payload, qos, retain } = packet as IPublishPacket;
    const publish = { cmd: "publish", topic, payload, qos, retain, messageId, dup: sentBefore } as const;
    const bytes = mqttPacket.generate(properties ? { ...publish, properties } : publish, { protocolVersion });
    // MQTT-3.1.2-25: what is too large for the client is dropped as if it had been sent.
    if (bytes.length > (client.maximumPacketSize ?? bytes.length)) return undefined;
    if (!sentBefore) fresh.push({ position, messageId });
    this.#taken.add(messageId);
    this.#inFlight.add(messageId);
    return bytes;
  }

  /** One that no message of the session has (MQTT-2.2.1-3). */
  #freeId(): number {
    do this.#lastId = (this.#lastId % PACKET_IDS) + 1;
    while (this.#taken.has(this.#lastId));
    return this.#lastId;
  }
}

/** The properties with what is left of the Message Expiry Interval (MQTT-3.3.2-6); undefined where nothing is left. */
function propertiesNow({ properties = {}, messageExpiry }: QueuedPacket): IPublishPacket["properties"] | undefined {
  if (messageExpiry === undefined) return properties;
  const leftMs = messageExpiry - Date.now();
  return leftMs > 0 ? { ...properties, messageExpiryInterval: Math.ceil(leftMs / 1000) } : undefined;
}
