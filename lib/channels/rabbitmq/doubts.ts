import type { QueueLook } from "./topology.ts";

/** Looks in a row that have to say the same: a queue without a leader tells strange things for a moment. */
const LOOKS = 2;

/**
 * Whether a queue still knows of a consumer. RabbitMQ 3.10 tells nothing to that of a queue that was deleted and made
 * again in a moment, and holds back what the new queue hands out to it.
 */
export class Doubts {
  #taken = 0;
  #looks = 0;

  /**
   * @param inWork items that the consumer has in work
   * @param taken items that it has ever been given
   */
  isForgotten(look: QueueLook | undefined, inWork: number, taken: number): boolean {
    const idle = inWork === 0 && taken === this.#taken;
    this.#taken = taken;
    if (look === undefined) return true;
    this.#looks = look.consumers === 0 || (idle && look.ready > 0) ? this.#looks + 1 : 0;
    if (this.#looks < LOOKS) return false;
    this.#looks = 0;
    return true;
  }
}
