import { stableHash } from "../../../lib/readings/identity.ts";
import type { Arrival } from "./edge-policy.ts";
import type { Remembered, SessionMemory } from "./persistence/session-memory.ts";

/** What this edge knows of an MQTT session beyond aedes. With a memory it outlives connections and the process. */
export class Session {
  /** The connection that has the session. */
  heldBy: object | undefined;
  readonly #client: string;
  readonly #memory: SessionMemory | undefined;
  readonly #maxRemembered: number;
  readonly #unreleased: Set<number>;
  /** By packet id, oldest first. */
  readonly #remembered = new Map<number, Remembered>();
  #nextSlot = 0;
  #kept: Promise<void> | undefined;

  /** @param memory left out where the session ends with its connection */
  constructor(client: string, maxRemembered: number, memory?: SessionMemory) {
    this.#client = client;
    this.#memory = memory;
    this.#maxRemembered = maxRemembered;
    this.#unreleased = new Set(memory?.unreleased(client));
    for (const remembered of memory?.arrivals(client) ?? []) {
      this.#remembered.delete(remembered.packetId);
      this.#remembered.set(remembered.packetId, remembered);
      this.#nextSlot = remembered.slot + 1;
    }
  }

  /** Packet ids of QoS 2 messages that are stored and not yet released (MQTT-4.3.3-10). */
  get unreleased(): ReadonlySet<number> {
    return this.#unreleased;
  }

  /** A QoS 2 message is stored; resolves when its packet id is known for as long as the session lives. */
  receive(packetId: number): Promise<void> | undefined {
    this.#unreleased.add(packetId);
    return this.#memory?.receive(this.#client, packetId);
  }

  /** Frees a packet id; resolves when even a restart does not bring it back, which would swallow the next message. */
  async release(packetId: number): Promise<void> {
    if (!this.#unreleased.has(packetId)) return;
    await this.#memory?.release(this.#client, packetId);
    this.#unreleased.delete(packetId);
  }

  /** Resolves when what `arrivalOf` gave is durable; undefined where nothing waits for it. */
  get kept(): Promise<void> | undefined {
    return this.#kept;
  }

  /**
   * The arrival to store for a packet: the first one's where this is a resend (DUP, same id, same bytes), so that a
   * reading without a time of its own keeps time and identity. A packet's memory ends when its id is used anew, or
   * `maxRemembered` others came after it.
   */
  arrivalOf(packetId: number, dup: boolean, payload: Buffer, arrival: Arrival): Arrival {
    const digest = stableHash(payload.toString("latin1"));
    const known = this.#remembered.get(packetId);
    if (dup && known?.digest === digest) {
      // Written again: its first write may have failed.
      this.#keep(known);
      return known.arrival;
    }
    const remembered = { packetId, digest, arrival, slot: this.#nextSlot++ % this.#maxRemembered };
    this.#remembered.delete(packetId);
    this.#remembered.set(packetId, remembered);
    if (this.#remembered.size > this.#maxRemembered)
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest);
        break;
      }
    this.#keep(remembered);
    return arrival;
  }

  #keep(remembered: Remembered): void {
    const kept = this.#memory?.remember(this.#client, remembered);
    // All packets of one commit share its promise.
    if (!kept || kept === this.#kept) return;
    this.#kept = kept;
    const done = () => {
      if (this.#kept === kept) this.#kept = undefined;
    };
    kept.then(done, done);
  }
}
