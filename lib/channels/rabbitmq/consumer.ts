import type { Channel as AmqpChannel, ChannelModel, ConsumeMessage } from "amqplib";
import { backOff } from "../back-off.ts";
import type { Channel } from "../base-adapter.ts";
import { outcomeOf, undeliverable } from "../work-outcome.ts";
import type { ConsumerHost, ConsumerOptions, Delivered } from "./consumer-host.ts";
import { Doubts } from "./doubts.ts";
import { itemOf, payloadOf, workMessageOf } from "./item.ts";
import { Recent } from "./recent.ts";
import { within } from "./within.ts";

/** Where to say that an item is at its end: a number means something on the channel that delivered it only. */
interface Receipt {
  channel: AmqpChannel;
  message: ConsumeMessage;
}

interface Entry extends Delivered {
  key: string;
  receipt: Receipt;
}

const ANSWER_MS = 15_000;
/** How often a consumer looks whether its queue still knows of it. */
const WATCH_MS = 5000;
/** Ends that are remembered: the broker brings an item again when it has not heard of its end. */
const ENDED_MAX = 10_000;

/** One taker of a work channel: a channel of its own, that comes back whatever took it. */
export class RabbitConsumer {
  readonly chan: Channel;
  readonly #host: ConsumerHost;
  readonly #options: ConsumerOptions;
  readonly #stopped = new AbortController();
  #connection: ChannelModel | undefined;
  #channel: AmqpChannel | undefined;
  #tag = "";
  #opening: Promise<void> | undefined;
  readonly #inWork = new Map<string, Entry>();
  readonly #works = new Set<Promise<void>>();
  readonly #ended = new Recent(ENDED_MAX);
  #strangers = 0;
  #taken = 0;
  readonly #doubts = new Doubts();
  readonly #watching: NodeJS.Timeout;

  constructor(host: ConsumerHost, chan: Channel, options: ConsumerOptions) {
    this.#host = host;
    this.chan = chan;
    this.#options = options;
    this.#watching = setInterval(() => void this.#watch(), WATCH_MS).unref();
  }

  /** Items that this consumer has in work. */
  get inWork(): number {
    return this.#works.size;
  }

  /** Consumes on the connection, and again whenever its channel or the queue is gone, until the connection is. */
  up(connection: ChannelModel): Promise<void> {
    this.#connection = connection;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
      if (this.#connection && !this.#channel && !this.#stopped.signal.aborted) void this.up(this.#connection);
    });
    return this.#opening;
  }

  down(): void {
    this.#connection = undefined;
    this.#channel = undefined;
  }

  /** Begins again on another channel. */
  reopen(): void {
    this.#channel?.close().catch(() => {});
  }

  /** Handlers that run may end, and their items with them; nothing new begins. Settles when none runs. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#watching);
    const channel = this.#channel;
    if (channel && this.#tag) await within(1000, "cancel", channel.cancel(this.#tag)).catch(() => {});
    await Promise.all(this.#works);
  }

  /** Gives back what is still in work: the broker brings it to another. */
  async close(): Promise<void> {
    const channel = this.#channel;
    this.#channel = undefined;
    if (channel) await within(1000, "closing a channel", channel.close()).catch(() => {});
  }

  async #open(): Promise<void> {
    const { signal } = this.#stopped;
    for (let failures = 0; this.#connection && !this.#channel && !signal.aborted; ) {
      try {
        await this.#consume(this.#connection);
      } catch (error) {
        if (signal.aborted || !this.#connection) return;
        this.#host.troubled(this.chan, error);
        await backOff(++failures, this.#options, signal).catch(() => {});
      }
    }
  }

  async #consume(connection: ChannelModel): Promise<void> {
    await this.#host.ensure(this.chan.name);
    const channel = await within(ANSWER_MS, "channel", connection.createChannel());
    channel.on("error", (error: Error) => this.#host.troubled(this.chan, error));
    const gone = () => {
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      if (this.#connection === connection) void this.up(connection);
    };
    channel.once("close", gone);
    this.#channel = channel;
    try {
      await channel.prefetch(this.#options.maxInFlight);
      const consuming = channel.consume(this.chan.name, (message) => {
        // Cancelled by the broker: the queue was deleted, or its leader is gone.
        if (message === null) void channel.close().catch(() => {});
        else this.#take({ channel, message });
      });
      this.#tag = (await within(ANSWER_MS, "consume", consuming)).consumerTag;
    } catch (error) {
      if (this.#channel === channel) this.#channel = undefined;
      void channel.close().catch(() => {});
      throw error;
    }
  }

  async #watch(): Promise<void> {
    const channel = this.#channel;
    if (!channel) return;
    // Who cannot be asked is away, and the connection will tell.
    const look = await this.#host.look(this.chan.name).catch(() => ({ consumers: 1, ready: 0 }));
    if (channel === this.#channel && this.#doubts.isForgotten(look, this.#works.size, this.#taken)) this.reopen();
  }

  #take(receipt: Receipt): void {
    // What comes after a stop goes back with the channel.
    if (this.#stopped.signal.aborted || this.#channel !== receipt.channel || this.#host.stalled()) return;
    this.#taken++;
    const { message } = receipt;
    const item = this.#host.readable(this.chan, itemOf(message, Date.now()), message);
    const key = item.id === undefined ? `#${++this.#strangers}` : `${item.id}/${item.copy}`;
    const running = this.#inWork.get(key);
    // Its end was not heard of, because the connection was lost.
    if (this.#ended.has(key)) this.#acknowledge(receipt);
    // The same: its handler runs on, and ends what has come now.
    else if (running) running.receipt = receipt;
    else this.#begin({ key, item, content: message.content, receipt });
  }

  #begin(entry: Entry): void {
    const { key, item } = entry;
    this.#inWork.set(key, entry);
    this.#host.active(this.chan, item.position, true);
    const work = this.#process(entry)
      // What is left is that the consumer was stopped: the item goes back.
      .catch(() => {})
      .finally(() => {
        this.#host.active(this.chan, item.position, false);
        this.#inWork.delete(key);
        this.#works.delete(work);
      });
    this.#works.add(work);
  }

  async #process(entry: Entry): Promise<void> {
    const { item, content } = entry;
    const now = Date.now();
    const untouched = { ...item, deliveries: item.deliveries - 1 };
    const cause = undeliverable(item, now, this.#options);
    if (cause)
      return this.#replace(entry, () => this.#host.bury(this.chan, { item: untouched, content }, cause, undefined));
    if (item.due > now)
      return this.#replace(entry, () => this.#host.postpone(this.chan, { ...untouched, copy: item.copy + 1 }, content));
    try {
      await this.#host.processItem({
        handle: () => this.#call(entry),
        done: () => this.#end(entry),
      });
    } catch (error) {
      await this.#failed(entry, error);
    }
  }

  async #call({ item, content }: Entry): Promise<void> {
    const text = content.toString();
    await this.chan.handler(this.chan.text ? text : payloadOf(text, item), workMessageOf(item));
  }

  async #failed(entry: Entry, error: unknown): Promise<void> {
    const { item, content } = entry;
    this.#host.failed(this.chan, error, item);
    const failures = item.failures + 1;
    const outcome = outcomeOf(error, { deliveries: item.deliveries, fence: failures }, this.#options);
    if ("dead" in outcome) return this.#replace(entry, () => this.#host.bury(this.chan, entry, outcome.dead, error));
    const next = {
      ...item,
      due: Date.now() + Math.round(outcome.retryMs),
      deliveries: outcome.counts ? item.deliveries : item.deliveries - 1,
      failures,
      copy: item.copy + 1,
    };
    await this.#replace(entry, () => this.#host.postpone(this.chan, next, content));
  }

  /**
   * Ends an item when what takes its place is confirmed. It is tried until it succeeds, the consumer is stopped, or the
   * broker has taken the item back. A crash in between leaves both, and never none.
   */
  async #replace(entry: Entry, place: () => Promise<void>): Promise<void> {
    const { signal } = this.#stopped;
    for (let failures = 1; entry.receipt.channel === this.#channel; failures++) {
      try {
        await place();
        return this.#end(entry);
      } catch (error) {
        this.#host.troubled(this.chan, error);
      }
      await backOff(failures, this.#options, signal);
    }
  }

  #end(entry: Entry): void {
    // A second acknowledgement would close the channel.
    if (this.#ended.has(entry.key)) return;
    this.#ended.add(entry.key);
    this.#acknowledge(entry.receipt);
  }

  /** Nothing where the channel is gone: the broker has the item again. */
  #acknowledge({ channel, message }: Receipt): void {
    if (channel !== this.#channel) return;
    try {
      channel.ack(message);
    } catch {
      // It is about to tell that it is closed.
    }
  }
}
