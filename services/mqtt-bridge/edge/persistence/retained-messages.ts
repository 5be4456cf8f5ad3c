import type { AedesPublishPacket } from "aedes";
import { packetOf, packetText } from "./packet-text.ts";
import type { SessionFile } from "./session-file.ts";
import { TopicTree } from "./topic-tree.ts";

export interface RetainedLimits {
  maxRetained: number;
  maxRetainedBytes: number;
}

/** There is no room for another retained message; nothing was stored. */
export class RetainedFullError extends Error {
  override name = "RetainedFullError";
  readonly code = 507;
  readonly type = "RETAINED_FULL";
  readonly retryable = false;

  constructor({ maxRetained, maxRetainedBytes }: RetainedLimits) {
    super(`Retained messages are limited to ${maxRetained} and ${maxRetainedBytes} bytes.`);
  }
}

/** The last message of each topic that was published with RETAIN (MQTT 5.0 section 3.3.1.3). */
export class RetainedMessages {
  readonly #file: SessionFile;
  readonly #limits: RetainedLimits;
  readonly #statements;
  /** Bytes by topic. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(file: SessionFile, limits: RetainedLimits) {
    this.#file = file;
    this.#limits = limits;
    const { db } = file;
    this.#statements = {
      put: db.prepare("INSERT OR REPLACE INTO retained(topic, packet, payload) VALUES(?, ?, ?)"),
      delete: db.prepare("DELETE FROM retained WHERE topic=?"),
      one: db.prepare("SELECT * FROM retained WHERE topic=?"),
      range: db.prepare("SELECT * FROM retained WHERE topic>=? AND topic<? ORDER BY topic"),
    };
    const sizes = "SELECT topic, length(packet) + coalesce(octet_length(payload), 0) AS bytes FROM retained";
    for (const { topic, bytes } of db.prepare(sizes).iterate()) this.#resize(String(topic), Number(bytes));
  }

  /** An empty payload removes. @throws RetainedFullError */
  async store(packet: AedesPublishPacket): Promise<void> {
    const { topic } = packet;
    if (packet.payload.length === 0) {
      await this.#file.write(() => this.#statements.delete.run(topic));
      this.#resize(topic, 0);
      return;
    }
    const { text, payload } = packetText(packet);
    const bytes = text.length + Buffer.byteLength(payload ?? "");
    const { maxRetained, maxRetainedBytes } = this.#limits;
    const known = this.#sizes.get(topic);
    if (this.#sizes.size + (known === undefined ? 1 : 0) > maxRetained) throw new RetainedFullError(this.#limits);
    if (this.#bytes - (known ?? 0) + bytes > maxRetainedBytes) throw new RetainedFullError(this.#limits);
    this.#resize(topic, bytes);
    try {
      await this.#file.write(() => this.#statements.put.run(topic, text, payload));
    } catch (error) {
      this.#resize(topic, known ?? 0);
      throw error;
    }
  }

  *matching(filters: readonly string[]): Generator<AedesPublishPacket> {
    this.#file.flush();
    for (const filter of filters) {
      const wild = filter.search(/[+#]/);
      const { one, range } = this.#statements;
      const prefix = filter.slice(0, wild).replace(/\/$/, "");
      const rows = wild < 0 ? one.all(filter) : range.all(prefix, `${prefix}\u{10ffff}`);
      const tree = new TopicTree<true>();
      tree.set(filter, "", true);
      for (const { topic, packet, payload } of rows)
        if (tree.match(String(topic)).length > 0) yield packetOf(packet, payload) as AedesPublishPacket;
    }
  }

  #resize(topic: string, bytes: number): void {
    this.#bytes += bytes - (this.#sizes.get(topic) ?? 0);
    if (bytes > 0) this.#sizes.set(topic, bytes);
    else this.#sizes.delete(topic);
  }
}
