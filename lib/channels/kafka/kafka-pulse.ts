import type { Admin } from "kafkajs";

const EVERY_MS = 2000;

/** Asks Kafka now and then whether it is there, so that whoever asks for trouble needn't wait for an answer. */
export class KafkaPulse {
  readonly #admin: Admin;
  readonly #timer: NodeJS.Timeout;
  #asking = false;
  #reason: string | undefined;

  constructor(admin: Admin) {
    this.#admin = admin;
    this.#timer = setInterval(() => void this.#ask(), EVERY_MS).unref();
  }

  /** Why Kafka cannot be used; undefined where it can. */
  get reason(): string | undefined {
    return this.#reason;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      await this.#admin.describeCluster();
      this.#reason = undefined;
    } catch (error) {
      this.#reason = (error as Error).message;
    }
    this.#asking = false;
  }
}
