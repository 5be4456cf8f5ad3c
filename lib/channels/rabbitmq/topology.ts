import type { Channel, ChannelModel, Options } from "amqplib";
import { deadChannelOf, isDeadChannel } from "../dead-cause.ts";
import { delayQueueOf, RUNGS } from "./delays.ts";
import { within } from "./within.ts";

/** A queue whose leader is away may take long to answer; what takes longer than this has to be tried again. */
const ANSWER_MS = 15_000;
/** How long a delay queue that wasn't there is taken for missing: another process may have made it. */
const MISSING_MS = 600_000;

const QUORUM = { "x-queue-type": "quorum" };
/** Dead-lettering within the broker that loses nothing: the source keeps a message until its new queue has it. */
const AT_LEAST_ONCE = { "x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish" };
/**
 * Times that the broker gives an item to processes that die. A constant, because the arguments of a queue can never be
 * changed, and more than any consumer may allow: the consumer's own limit holds.
 */
const DELIVERY_LIMIT = 1000;

const toQueue = (queue: string) => ({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue });

/** Of all processes. */
export interface QueueLook {
  ready: number;
  consumers: number;
}

/** Declares the queues, each once per connection, and counts what waits in them. */
export class Topology {
  readonly #log: (message: string, fields: object) => void;
  #connection: ChannelModel | undefined;
  #channel: Channel | undefined;
  /** One after the other: an answer that is an error closes the channel that they share. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #declared = new Set<string>();
  readonly #declaring = new Map<string, Promise<void>>();
  readonly #missing = new Map<string, number>();

  constructor(log: (message: string, fields: object) => void) {
    this.#log = log;
  }

  up(connection: ChannelModel): void {
    this.#connection = connection;
  }

  /** What was declared may be gone when the broker is back. */
  down(): void {
    this.#connection = undefined;
    this.#channel = undefined;
    this.#declared.clear();
  }

  forget(queue: string): void {
    this.#declared.delete(queue);
  }

  has(queue: string): boolean {
    return this.#declared.has(queue);
  }

  /** The queue of a channel and that of its dead letters. */
  async ensure(channel: string): Promise<void> {
    if (this.has(channel)) return;
    if (isDeadChannel(channel)) return this.#declare(channel, QUORUM);
    const dead = deadChannelOf(channel);
    await this.#declare(dead, QUORUM);
    await this.#declare(channel, {
      ...QUORUM,
      ...toQueue(dead),
      ...AT_LEAST_ONCE,
      "x-delivery-limit": DELIVERY_LIMIT,
    });
  }

  /** The queue in which a channel's items wait for so long; its name. */
  async ensureDelay(channel: string, rung: number): Promise<string> {
    const queue = delayQueueOf(channel, rung);
    if (!this.has(queue)) {
      await this.ensure(channel);
      await this.#declare(queue, { ...QUORUM, ...toQueue(channel), ...AT_LEAST_ONCE, "x-message-ttl": rung });
      this.#missing.delete(queue);
    }
    return queue;
  }

  /**
   * Messages of a channel that wait or are delayed; those that consumers have in work are not told. The longest delays
   * first: an item that goes on to its next queue meanwhile is rather counted twice than not at all.
   */
  async count(channel: string): Promise<number> {
    let messages = 0;
    for (const rung of RUNGS.toReversed()) {
      const queue = delayQueueOf(channel, rung);
      if (!this.has(queue) && Date.now() < (this.#missing.get(queue) ?? 0)) continue;
      const delayed = (await this.look(queue))?.ready;
      if (delayed === undefined) this.#missing.set(queue, Date.now() + MISSING_MS);
      messages += delayed ?? 0;
    }
    return messages + ((await this.look(channel))?.ready ?? 0);
  }

  /** What waits in a queue, and who consumes it; undefined where there is none: then it is to be made again. */
  async look(queue: string): Promise<QueueLook | undefined> {
    try {
      const { messageCount: ready, consumerCount: consumers } = await this.#ask((channel) => channel.checkQueue(queue));
      return { ready, consumers };
    } catch (error) {
      if (codeOf(error) !== 404) throw error;
      this.forget(queue);
      return undefined;
    }
  }

  #declare(queue: string, args: Record<string, unknown>): Promise<void> {
    if (this.has(queue)) return Promise.resolve();
    let declaring = this.#declaring.get(queue);
    if (!declaring) {
      declaring = this.#assert(queue, { durable: true, arguments: args })
        .then(() => void this.#declared.add(queue))
        .finally(() => this.#declaring.delete(queue));
      this.#declaring.set(queue, declaring);
    }
    return declaring;
  }

  async #assert(queue: string, options: Options.AssertQueue): Promise<void> {
    try {
      await this.#ask((channel) => channel.assertQueue(queue, options));
    } catch (error) {
      if (codeOf(error) !== 406) throw error;
      // Declared by somebody else, or by another version: it is used as it is.
      await this.#ask((channel) => channel.checkQueue(queue));
      this.#log("A queue was declared otherwise; it is used as it is.", { queue, reason: (error as Error).message });
    }
  }

  #ask<T>(question: (channel: Channel) => Promise<T>): Promise<T> {
    const answer = this.#turn.then(async () => {
      const channel = await this.#open();
      try {
        return await within(ANSWER_MS, "queue", question(channel));
      } catch (error) {
        if (this.#channel === channel) this.#channel = undefined;
        // Already closed by an error's answer.
        channel.close().catch(() => {});
        throw error;
      }
    });
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #open(): Promise<Channel> {
    if (this.#channel) return this.#channel;
    if (!this.#connection) throw new Error("RabbitMQ is away");
    const channel = await within(ANSWER_MS, "channel", this.#connection.createChannel());
    channel.on("error", () => {});
    channel.once("close", () => {
      if (this.#channel === channel) this.#channel = undefined;
    });
    this.#channel = channel;
    return channel;
  }
}

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code;
