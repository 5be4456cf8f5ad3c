import type { Client } from "aedes";
import type { Session } from "./session.ts";

interface Parked {
  session: Session;
  client: Client;
  parkedAt: number;
}

/**
 * Sessions that wait for their client to come back, oldest first. MQTT 5 sessions are ended by aedes at their expiry;
 * 3.1.1 knows no expiry, so those are ended here, after the same longest time.
 */
export class ParkedSessions {
  readonly #parked = new Map<string, Parked>();
  readonly #max: number;
  readonly #maxMs: number;
  readonly #end: (client: Client) => void;

  /** @param end wipes what the broker holds of a session */
  constructor(max: number, maxSeconds: number, end: (client: Client) => void) {
    this.#max = max;
    this.#maxMs = maxSeconds * 1000;
    this.#end = end;
  }

  park(client: Client, session: Session, now: number): void {
    this.#parked.delete(client.id);
    this.#parked.set(client.id, { session, client, parkedAt: now });
    for (const [id, { client: oldest }] of this.#parked) {
      if (this.#parked.size <= this.#max) break;
      this.#parked.delete(id);
      this.#end(oldest);
    }
  }

  /** Hands a session over to its client, or forgets it. */
  take(clientId: string): Session | undefined {
    const parked = this.#parked.get(clientId);
    this.#parked.delete(clientId);
    return parked?.session;
  }

  /** Ends the 3.1.1 sessions that have waited for the longest time. */
  sweep(now: number): void {
    for (const [id, { client, parkedAt }] of this.#parked) {
      if (now - parkedAt < this.#maxMs) break;
      if (client.version === 5) continue;
      this.#parked.delete(id);
      this.#end(client);
    }
  }
}
