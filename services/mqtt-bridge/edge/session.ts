import { stableHash } from "../../../lib/readings/identity.ts";
import type { Arrival } from "./edge-policy.ts";

interface Remembered {
  digest: number;
  arrival: Arrival;
}

/** What this edge knows of an MQTT session beyond aedes: it outlives connections, but not the process. */
export class Session {
  /** Packet ids of QoS 2 messages that are stored and not yet released (MQTT-4.3.3-10). */
  readonly unreleased = new Set<number>();
  /** The connection that has the session, or had it last. */
  heldBy: object | undefined;
  readonly #remembered = new Map<number, Remembered>();
  readonly #maxRemembered: number;

  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  /**
   * The arrival to store for a packet: the first one's where this is a resend (DUP, same id, same bytes), so that a
   * reading without a time of its own keeps time and identity. A packet's memory ends when its id is used anew, or
   * `maxRemembered` others came after it.
   */
  arrivalOf(packetId: number, dup: boolean, payload: Buffer, arrival: Arrival): Arrival {
    const digest = stableHash(payload.toString("latin1"));
    const known = this.#remembered.get(packetId);
    if (dup && known?.digest === digest) return known.arrival;
    this.#remembered.delete(packetId);
    this.#remembered.set(packetId, { digest, arrival });
    if (this.#remembered.size > this.#maxRemembered)
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest);
        break;
      }
    return arrival;
  }
}
