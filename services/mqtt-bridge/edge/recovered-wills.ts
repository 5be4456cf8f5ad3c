import type { PublishPacket } from "aedes";
import type { Origin } from "./connection.ts";
import type { ConnectRequest } from "./edge-policy.ts";
import type { Will, Wills } from "./persistence/wills.ts";

/** Whose will it is: kept with it, because its connection is not. */
export interface WillSender extends ConnectRequest {
  sessionEpoch: number;
}

export type SentWill = Will & { sender?: WillSender; properties?: { willDelayInterval?: number } };

/** The sender is named as its CONNECT named it. */
type PublishWill = (sender: ConnectRequest, origin: Origin, will: PublishPacket) => void;

/** Of packets that no connection has counted. */
const UNCOUNTED = Number.MAX_SAFE_INTEGER - 1;

/** Notes on a will whose it is. */
export const signWill = (will: PublishPacket, sender: WillSender): void => void Object.assign(will, { sender });

/**
 * Wills of connections that a crash has ended. Each waits for its client as long as its delay says, a while at least:
 * the connection broke by the server's fault.
 */
export class RecoveredWills {
  readonly #wills: Wills;
  readonly #publish: PublishWill;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(wills: Wills, publish: PublishWill) {
    this.#wills = wills;
    this.#publish = publish;
  }

  /** Takes charge of the wills that are there at the start. */
  begin(waitMs: number): void {
    for (const will of this.#wills.all()) {
      const { willDelayInterval = 0 } = (will as SentWill).properties ?? {};
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer);
          // Still the same: its client has not come back.
          if (will.clientId !== undefined && this.#wills.get(will.clientId) === will) this.send(will.clientId);
        },
        // Beyond it a timer would fire at once.
        Math.min(2_147_483_647, Math.max(waitMs, willDelayInterval * 1000)),
      ).unref();
      this.#timers.add(timer);
    }
  }

  /** Publishes the will of a client whose session has ended, if it has one. */
  send(clientId: string): void {
    const will = this.#wills.get(clientId) as SentWill | undefined;
    void this.#wills.delete(clientId).catch(() => {});
    if (!will?.sender) return;
    const { sessionEpoch } = will.sender;
    const origin = { session: undefined, sessionEpoch, resumable: false, packets: UNCOUNTED };
    this.#publish(will.sender, origin, will as unknown as PublishPacket);
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
