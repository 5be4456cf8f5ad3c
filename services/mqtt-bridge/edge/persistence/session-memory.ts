import type { Arrival } from "../edge-policy.ts";
import type { SessionFile } from "./session-file.ts";

/** A packet whose arrival is remembered for a resend. */
export interface Remembered {
  packetId: number;
  digest: number;
  arrival: Arrival;
  /** Where it stands in its session's ring. */
  slot: number;
}

/** What the edge keeps of sessions beyond aedes: QoS 2 messages not released, and arrivals of packets. */
export class SessionMemory {
  readonly #file: SessionFile;
  readonly #statements;

  constructor(file: SessionFile) {
    this.#file = file;
    const { db } = file;
    this.#statements = {
      unreleased: db.prepare("SELECT message_id FROM incoming WHERE client=?"),
      receive: db.prepare("INSERT OR REPLACE INTO incoming(client, message_id) VALUES(?, ?)"),
      release: db.prepare("DELETE FROM incoming WHERE client=? AND message_id=?"),
      arrivals: db.prepare("SELECT * FROM arrival WHERE client=? ORDER BY received_at, slot"),
      remember: db.prepare(
        "INSERT OR REPLACE INTO arrival(client, slot, message_id, digest, received_at, name) VALUES(?, ?, ?, ?, ?, ?)",
      ),
      forgetIncoming: db.prepare("DELETE FROM incoming WHERE client=?"),
      forgetArrivals: db.prepare("DELETE FROM arrival WHERE client=?"),
    };
  }

  /** Packet ids of QoS 2 messages between PUBLISH and PUBREL. */
  unreleased(client: string): number[] {
    this.#file.flush();
    return this.#statements.unreleased.all(client).map((row) => Number(row["message_id"]));
  }

  receive(client: string, packetId: number): Promise<void> {
    return this.#file.write(() => this.#statements.receive.run(client, packetId));
  }

  release(client: string, packetId: number): Promise<void> {
    return this.#file.write(() => this.#statements.release.run(client, packetId));
  }

  /** Oldest first. */
  arrivals(client: string): Remembered[] {
    this.#file.flush();
    return this.#statements.arrivals.all(client).map((row) => ({
      packetId: Number(row["message_id"]),
      digest: Number(row["digest"]),
      slot: Number(row["slot"]),
      arrival: { receivedAt: Number(row["received_at"]), packet: String(row["name"]) },
    }));
  }

  remember(client: string, { packetId, digest, arrival, slot }: Remembered): Promise<void> {
    const { receivedAt, packet } = arrival;
    return this.#file.write(() => this.#statements.remember.run(client, slot, packetId, digest, receivedAt, packet));
  }

  /** Inside a write. */
  forget(client: string): void {
    this.#statements.forgetIncoming.run(client);
    this.#statements.forgetArrivals.run(client);
  }
}
