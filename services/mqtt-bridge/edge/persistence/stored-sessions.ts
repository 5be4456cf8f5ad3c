import { ParkedSessions } from "./parked-sessions.ts";
import type { SessionFile } from "./session-file.ts";
import { SessionMemory } from "./session-memory.ts";
import type { SqlitePersistence } from "./sqlite-persistence.ts";

/** Who a connection was, for the one that starts after a crash. */
export interface ConnectionFacts {
  tenantId: string;
  deviceId: string;
  sessionEpoch: number;
}

export interface ParkedLimits {
  /** Sessions without a connection. */
  maxParkedSessions: number;
  /** Of one device; 0 = no limit. */
  maxParkedSessionsPerDevice: number;
}

/**
 * The sessions that outlive their connections: when they end, and that all of a session ends with it. Those without a
 * connection are bounded in number and time; the one that has waited longest goes first, of a device with too many its
 * own.
 */
export class StoredSessions {
  readonly memory: SessionMemory;
  readonly #file: SessionFile;
  readonly #persistence: SqlitePersistence;
  readonly #limits: ParkedLimits;
  readonly #statements;
  readonly #parked = new ParkedSessions();

  constructor(persistence: SqlitePersistence, limits: ParkedLimits, now: number) {
    const { file } = persistence;
    const { db } = file;
    this.memory = new SessionMemory(file);
    this.#file = file;
    this.#persistence = persistence;
    this.#limits = limits;
    this.#statements = {
      put: db.prepare("INSERT OR REPLACE INTO session(client, expiry_seconds, disconnected_at) VALUES(?, ?, ?)"),
      delete: db.prepare("DELETE FROM session WHERE client=?"),
      connect: db.prepare("INSERT OR REPLACE INTO connection(name, facts) VALUES(?, ?)"),
      disconnect: db.prepare("DELETE FROM connection WHERE name=?"),
      connections: db.prepare("SELECT facts FROM connection"),
      left: db.prepare("UPDATE session SET disconnected_at=? WHERE disconnected_at IS NULL"),
      parked: db.prepare("SELECT * FROM session ORDER BY disconnected_at"),
    };
    // Connected when the process ended: their time begins now.
    this.#statements.left.run(now);
    for (const row of this.#statements.parked.iterate())
      this.#parked.set(String(row["client"]), expiryOf(Number(row["disconnected_at"]), Number(row["expiry_seconds"])));
  }

  /** The connections whose end a former process did not tell of. */
  leftBehind(): ConnectionFacts[] {
    return this.#statements.connections.all().map((row) => JSON.parse(String(row["facts"])) as ConnectionFacts);
  }

  /** The end of a connection is known for good. What cannot be written is told of again after the next start. */
  ended(facts: ConnectionFacts): void {
    this.#file.write(() => this.#statements.disconnect.run(nameOf(facts))).catch(() => {});
  }

  /** A connection begins; `expirySeconds` where its session is to be kept. */
  open(client: string, facts: ConnectionFacts, expirySeconds: number | undefined): Promise<void> {
    this.#parked.delete(client);
    return this.#file.write(() => {
      this.#statements.connect.run(nameOf(facts), JSON.stringify(facts));
      if (expirySeconds !== undefined) this.#statements.put.run(client, expirySeconds, null);
    });
  }

  /** A connection has ended; its session waits, or ends with it where `expirySeconds` is undefined. */
  leave(client: string, expirySeconds: number | undefined, now: number): void {
    if (expirySeconds === undefined) {
      void this.end(client);
      return;
    }
    void this.#file.write(() => this.#statements.put.run(client, expirySeconds, now));
    this.#parked.set(client, expiryOf(now, expirySeconds));
    const { maxParkedSessions, maxParkedSessionsPerDevice: own } = this.#limits;
    if (own > 0) for (const oldest of this.#parked.beyondOfDevice(client, own)) void this.end(oldest);
    for (const oldest of this.#parked.beyond(maxParkedSessions)) void this.end(oldest);
  }

  /** All of a session goes: subscriptions, queue, memory. Its delayed will is the broker's to send. */
  async end(client: string): Promise<void> {
    this.#parked.delete(client);
    const { subscriptions, queue } = this.#persistence;
    await Promise.all([
      subscriptions.clear(client),
      queue.clear(client),
      this.#file.write(() => {
        this.#statements.delete.run(client);
        this.memory.forget(client);
      }),
    ]);
  }

  hasExpired(client: string, now: number): boolean {
    return this.#parked.hasExpired(client, now);
  }

  /** Ends the sessions whose time is over. */
  sweep(now: number): void {
    for (const client of this.#parked.expired(now)) void this.end(client);
  }
}

const nameOf = ({ tenantId, deviceId, sessionEpoch }: ConnectionFacts) => `${tenantId}/${deviceId}/${sessionEpoch}`;

const expiryOf = (disconnectedAt: number, expirySeconds: number) => disconnectedAt + expirySeconds * 1000;
