import type { ChannelModel, ConfirmChannel, Options } from "amqplib";
import { ChannelCommitError, ChannelPayloadError, ChannelUnroutableError } from "../errors.ts";

interface Pending {
  reject(error: Error): void;
  since: number;
}

const SWEEP_MS = 1000;

/** Publishes with confirms: what resolves is on the disks of a majority of the queue's nodes. */
export class Publisher {
  #confirmTimeoutMs: number;
  readonly #unroutable = new Set<string>();
  readonly #pending = new Map<number, Pending>();
  readonly #sweeping: NodeJS.Timeout;
  #count = 0;
  #channel: ConfirmChannel | undefined;

  constructor(confirmTimeoutMs: number) {
    this.#confirmTimeoutMs = confirmTimeoutMs;
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** Messages that are not confirmed yet. */
  get pending(): number {
    return this.#pending.size;
  }

  /** @param lost the channel is gone although the connection may be there. */
  async up(connection: ChannelModel, lost: (reason: string) => void): Promise<void> {
    const channel = await connection.createConfirmChannel();
    let reason = "the publishing channel was closed";
    channel.on("error", (error: Error) => {
      reason = error.message;
    });
    channel.on("return", ({ properties }) => this.#unroutable.add(String(properties.messageId)));
    channel.once("close", () => {
      if (this.#channel === channel) this.#channel = undefined;
      lost(reason);
    });
    this.#channel = channel;
  }

  down(): void {
    this.#channel = undefined;
  }

  /**
   * Resolves when the queue has confirmed the message.
   *
   * @throws ChannelCommitError: refused, or nobody knows; ChannelUnroutableError: there is no such queue.
   */
  publish(queue: string, content: Buffer, properties: Options.Publish): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const channel = this.#channel;
      if (!channel) return reject(new ChannelCommitError(new Error("RabbitMQ is away")));
      const number = ++this.#count;
      this.#pending.set(number, { reject, since: Date.now() });
      const confirmed = (error: unknown) => {
        if (!this.#pending.delete(number)) return;
        if (error) reject(new ChannelCommitError(error));
        // What cannot be routed is returned before it is confirmed.
        else if (this.#unroutable.size > 0 && this.#unroutable.delete(String(properties.messageId)))
          reject(new ChannelUnroutableError(queue));
        else resolve();
      };
      try {
        this.send(channel, queue, content, properties, confirmed);
      } catch (error) {
        this.#pending.delete(number);
        const closed = (error as Error).name === "IllegalOperationError";
        reject(closed ? new ChannelCommitError(error) : new ChannelPayloadError((error as Error).message));
      }
    });
  }

  /** From now on nothing is waited for any longer than this. */
  limit(timeoutMs: number): void {
    this.#confirmTimeoutMs = Math.min(this.#confirmTimeoutMs, timeoutMs);
  }

  /** Ends when everything is confirmed that was sent; the rest is nobody's when the time is up. */
  async settle(): Promise<void> {
    await this.#channel?.waitForConfirms();
  }

  close(): void {
    clearInterval(this.#sweeping);
    this.#channel = undefined;
    for (const { reject } of this.#pending.values()) reject(new ChannelCommitError(new Error("the channel is closed")));
    this.#pending.clear();
  }

  protected send(
    channel: ConfirmChannel,
    queue: string,
    content: Buffer,
    properties: Options.Publish,
    confirmed: (error: unknown) => void,
  ): void {
    channel.publish("", queue, content, properties, confirmed);
  }

  /** A queue without a leader confirms nothing, and nobody should wait for it for ever. */
  #sweep(): void {
    const oldest = Date.now() - this.#confirmTimeoutMs;
    for (const [number, { since, reject }] of this.#pending) {
      if (since > oldest) return;
      this.#pending.delete(number);
      reject(new ChannelCommitError(new Error(`no confirmation within ${this.#confirmTimeoutMs} ms`)));
    }
  }
}
