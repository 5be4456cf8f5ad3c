import { packetOf, packetText, type QueuedPacket } from "./packet-text.ts";
import type { SessionFile } from "./session-file.ts";

export interface QueueLimits {
  /** Messages of one session at most; one more drops the oldest that was not sent. */
  maxQueuedPerSession: number;
}

/** A message of a session's queue and its place in it. */
export interface Queued {
  position: number;
  packet: QueuedPacket;
}

/** Messages of QoS 1 and 2 that sessions have not acknowledged, oldest first: not yet sent, or in flight. */
export class OutgoingQueue {
  readonly #file: SessionFile;
  readonly #max: number;
  readonly #statements;
  /** Messages that made room for newer ones. */
  dropped = 0;

  constructor(file: SessionFile, { maxQueuedPerSession }: QueueLimits) {
    this.#file = file;
    this.#max = maxQueuedPerSession;
    const { db } = file;
    this.#statements = {
      insert: db.prepare(
        "INSERT INTO queue(client, broker_id, broker_counter, message_id, packet, payload) VALUES(?, ?, ?, NULL, ?, ?)",
      ),
      count: db.prepare("SELECT count(*) AS n FROM queue WHERE client=?"),
      oldestUnsent: db.prepare("SELECT min(position) AS position FROM queue WHERE client=? AND message_id IS NULL"),
      byBroker: db.prepare(
        "UPDATE queue SET message_id=? WHERE client=? AND broker_counter=? AND broker_id=? RETURNING position",
      ),
      byMessage: db.prepare(
        "UPDATE queue SET packet=?, payload=?, broker_id=NULL WHERE position=(SELECT min(position) FROM queue WHERE client=? AND message_id=?) RETURNING position",
      ),
      sent: db.prepare("UPDATE queue SET message_id=? WHERE position=?"),
      find: db.prepare("SELECT * FROM queue WHERE client=? AND message_id=? ORDER BY position LIMIT 1"),
      delete: db.prepare("DELETE FROM queue WHERE position=?"),
      clear: db.prepare("DELETE FROM queue WHERE client=?"),
      after: db.prepare("SELECT * FROM queue WHERE client=? AND position>? ORDER BY position LIMIT ?"),
      ids: db.prepare("SELECT message_id FROM queue WHERE client=? AND message_id IS NOT NULL"),
    };
  }

  /** Resolves when every one of them is durable. */
  enqueue(entries: readonly { client: string; packet: QueuedPacket }[]): Promise<void> {
    return this.#file.write(() => {
      for (const { client, packet } of entries) {
        const { messageId: _unassigned, ...rest } = packet;
        const { text, payload } = packetText(rest);
        if (Number(this.#statements.count.get(client)?.["n"]) >= this.#max) this.#drop(client);
        this.#statements.insert.run(client, packet.brokerId ?? null, packet.brokerCounter ?? null, text, payload);
      }
    });
  }

  /** The packet id of a message that is about to be sent, or the PUBREL that takes its place. */
  async update(client: string, packet: QueuedPacket): Promise<boolean> {
    const { brokerId, brokerCounter, messageId } = packet;
    let found = false;
    await this.#file.write(() => {
      const { byBroker, byMessage } = this.#statements;
      found =
        brokerId !== undefined &&
        brokerCounter !== undefined &&
        byBroker.get(messageId ?? null, client, brokerCounter, brokerId) !== undefined;
      if (found || messageId === undefined) return;
      const { text, payload } = packetText(packet);
      found = byMessage.get(text, payload, client, messageId) !== undefined;
    });
    return found;
  }

  /** Gives messages the packet ids they are about to be sent with. */
  sent(messages: readonly { position: number; messageId: number }[]): Promise<void> {
    return this.#file.write(() => {
      for (const { position, messageId } of messages) this.#statements.sent.run(messageId, position);
    });
  }

  /** Takes an acknowledged message out. It need not be durable: at worst it is sent again. */
  acknowledge(client: string, messageId: number): QueuedPacket | undefined {
    const row = this.#statements.find.get(client, messageId);
    if (!row) return undefined;
    this.remove(Number(row["position"]));
    return queued(row).packet;
  }

  remove(position: number): void {
    void this.#file.write(() => this.#statements.delete.run(position));
  }

  clear(client: string): Promise<void> {
    return this.#file.write(() => this.#statements.clear.run(client));
  }

  /** Messages behind a position, as far as they are committed. */
  after(client: string, position: number, limit: number): Queued[] {
    return this.#statements.after.all(client, position, limit).map(queued);
  }

  /** Packet ids of messages in flight; what was written so far is committed before. */
  packetIds(client: string): number[] {
    this.#file.flush();
    return this.#statements.ids.all(client).map((row) => Number(row["message_id"]));
  }

  #drop(client: string): void {
    const position = this.#statements.oldestUnsent.get(client)?.["position"];
    // All of them are in flight: the newest is taken all the same, since in-flight messages are bounded elsewhere.
    if (typeof position !== "number") return;
    this.#statements.delete.run(position);
    this.dropped++;
  }
}

function queued(row: Record<string, unknown>): Queued {
  const packet = packetOf(row["packet"], row["payload"]);
  const id = row["message_id"];
  if (packet.cmd === "publish") (packet as { messageId: number | undefined }).messageId = undefined;
  if (typeof id === "number") packet.messageId = id;
  return { position: Number(row["position"]), packet };
}
