import type { ConsumeMessage } from "amqplib";
import { type Channel, ChannelAdapter, METRIC_DEAD, METRIC_ERRORS, METRIC_RETRIES } from "../base-adapter.ts";
import { type DeadCause, deadChannelOf, isDeadChannel } from "../dead-cause.ts";
import { ChannelNotConnectedError } from "../errors.ts";
import type { Publication, WorkOptions } from "../message.ts";
import type { WorkAdmin } from "../work-admin.ts";
import { undeliveredError } from "../work-loop.ts";
import type { WorkLimits } from "../work-times.ts";
import { RabbitConsumer } from "./consumer.ts";
import type { ConsumerHost, Delivered, ItemInWork } from "./consumer-host.ts";
import { rungsUpTo } from "./delays.ts";
import { deathOf, type RabbitItem, workMessageOf } from "./item.ts";
import { AmqpLink, type LinkEvents, type LinkOptions } from "./link.ts";
import type { RabbitmqWorkOptions } from "./options.ts";
import { Publisher } from "./publisher.ts";
import { type Ready, readyOf } from "./ready.ts";
import { RabbitSession } from "./session.ts";

/**
 * Durable work queues on RabbitMQ: quorum queues, publisher confirms, a channel for each consumer. Delivery is at least
 * once: an item is acknowledged after its handler resolved, or when the copy that takes its place is confirmed, a later
 * delivery or a dead letter.
 */
export class RabbitmqWorkAdapter extends ChannelAdapter implements WorkAdmin {
  readonly options: RabbitmqWorkOptions;
  #limits: WorkLimits;
  #session: RabbitSession | undefined;
  readonly #consumers = new Map<string, RabbitConsumer>();

  constructor(options: RabbitmqWorkOptions) {
    super({ maxRetries: 9, retryMs: 1000, retryMaxMs: 60_000, ...options });
    this.options = options;
    this.#limits = { ttlMs: options.ttlMs, delayMaxMs: options.delayMaxMs ?? 2_592_000_000 };
  }

  /** Without a broker that answers it starts all the same, and says so by `trouble`. @throws Error when it refuses us. */
  async connect(): Promise<void> {
    const consumers = () => this.#consumers.values();
    this.#session = new RabbitSession(
      {
        nodeId: this.broker.nodeID,
        publisher: this.openPublisher(this.options.confirmTimeoutMs ?? 30_000),
        openLink: (options, events) => this.openLink(options, events),
        consuming: {
          up: async (connection) => {
            for (const consumer of consumers()) void consumer.up(connection);
          },
          down: () => {
            for (const consumer of consumers()) consumer.down();
          },
        },
        inWork: (name) =>
          [...consumers()].reduce((sum, { chan, inWork }) => sum + (chan.name === name ? inWork : 0), 0),
        gone: (name) => {
          for (const consumer of consumers()) if (consumer.chan.name === name) consumer.reopen();
        },
        withoutPrefix: (name) => this.withoutPrefix(name),
        log: (message, fields) => this.logger.warn(message, fields),
      },
      this.options,
    );
    try {
      await this.#session.open();
    } catch (error) {
      await this.disconnect();
      throw error;
    }
    this.connected = true;
  }

  override stopping(): void {
    this.#session?.stopping();
  }

  /** Lets handlers end within their bound, gives back what they hold, and ends whatever the broker does. */
  async disconnect(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map(({ chan }) => this.unsubscribe(chan)));
    this.connected = false;
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  /**
   * Resolves when the queue has confirmed the item.
   *
   * @throws ChannelDepthError, ChannelFullError, ChannelNotConnectedError, ChannelPayloadError, ChannelUnroutableError,
   * RangeError naming the option: not stored; ChannelCommitError: not stored, or nobody knows.
   */
  async publish(name: string, payload: unknown, options: WorkOptions = {}): Promise<void> {
    await this.#open().put(name, [this.#ready(name, { payload, ...options })]);
  }

  /** Takes none where there is no room for all. After another error some may be stored. @throws as `publish` */
  async publishMany(name: string, items: readonly Publication[]): Promise<void> {
    const ready = items.map((item) => this.#ready(name, item));
    await this.#open().put(name, ready);
  }

  /** Takes an item over that another engine had, as it was there. @throws as `publish` */
  async takeOver(name: string, ready: Ready): Promise<void> {
    await this.#open().put(name, [ready]);
  }

  /** Consumers of a channel, of every process. */
  async consumers(name: string): Promise<number> {
    return (await this.#open().topology.look(name))?.consumers ?? 0;
  }

  /** @throws RangeError naming a field of the consumer that is wrong; Error where the channel has another group. */
  async subscribe(chan: Channel): Promise<void> {
    const { consuming } = this.#open();
    const { maxRetries } = this.withDefaults(chan);
    const maxInFlight = chan.maxInFlight ?? this.options.maxInFlight ?? 10;
    // AMQP counts in 16 bits.
    if (!Number.isSafeInteger(maxInFlight) || maxInFlight < 1 || maxInFlight > 65_535)
      throw new RangeError(`consumer ${chan.group} of ${chan.name}: maxInFlight must be an integer from 1 to 65535`);
    for (const { chan: other } of this.#consumers.values())
      if (other.name === chan.name && other.group !== chan.group)
        throw new Error(
          `work channel '${this.withoutPrefix(chan.name)}' has the group '${other.group}', and no second: '${chan.group}'`,
        );
    this.initChannelActiveMessages(chan.id, false);
    const { retryMs = 1000, retryMaxMs = 60_000 } = this.opts;
    const consumer = new RabbitConsumer(this.#host(retryMaxMs), chan, {
      maxInFlight,
      deliveriesMax: maxRetries + 1,
      delayMaxMs: this.#limits.delayMaxMs,
      last: isDeadChannel(chan.name),
      retryMs,
      retryMaxMs,
    });
    this.#consumers.set(chan.id, consumer);
    if (consuming.connection) await consumer.up(consuming.connection);
  }

  /** Lets handlers end, within `stopTimeoutMs`; what they hold then goes back, and will come again. */
  async unsubscribe(chan: Channel): Promise<void> {
    const consumer = this.#consumers.get(chan.id);
    if (!consumer || chan.unsubscribing) return;
    chan.unsubscribing = true;
    const inTime = await this.withinStopTimeout(consumer.stop());
    const where = { channel: chan.name, group: chan.group };
    if (!inTime) this.logger.warn("A handler did not end in time; its item will come again.", where);
    await consumer.close();
    this.#consumers.delete(chan.id);
    this.activeMessages.delete(chan.id);
  }

  /** Of the named channels: what waits, what is delayed, and what this process has in work. */
  async depths(): Promise<{ channel: string; depth: number }[]> {
    const session = this.#open();
    const named = (this.options.channels ?? []).flatMap((channel) => [channel, deadChannelOf(channel)]);
    const names = new Set([...named.map((channel) => this.addPrefixTopic(channel)), ...session.known]);
    return Promise.all(
      [...names].map(async (name) => ({ channel: this.withoutPrefix(name), depth: await session.count(name) })),
    );
  }

  /** Why nothing can be published at present; undefined where it can. */
  get trouble(): string | undefined {
    if (!this.#session || !this.connected) return "work channel: not connected";
    const { trouble } = this.#session;
    return trouble === undefined ? undefined : `work channel: RabbitMQ: ${trouble}`;
  }

  protected openLink(options: LinkOptions, events: LinkEvents): AmqpLink {
    return new AmqpLink(options, events);
  }

  protected openPublisher(confirmTimeoutMs: number): Publisher {
    return new Publisher(confirmTimeoutMs);
  }

  /** The one place that decides when an item is at its end: after its handler. */
  protected async processItem(item: ItemInWork): Promise<void> {
    await item.handle();
    item.done();
  }

  #ready(name: string, publication: Publication): Ready {
    return readyOf(name, publication, this.#limits, this.options.payloadCharsMax ?? 16_777_216);
  }

  #host(retryMaxMs: number): ConsumerHost {
    const where = (chan: Channel) => ({ channel: chan.name, group: chan.group });
    return {
      ensure: async (name) => {
        const { topology } = this.#open();
        await topology.ensure(name);
        // Before they are needed: a queue is safe from its broker's death only a moment after it was made.
        for (const rung of rungsUpTo(retryMaxMs)) await topology.ensureDelay(name, rung);
      },
      look: (name) => this.#open().topology.look(name),
      processItem: (item) => this.processItem(item),
      postpone: (chan, item, content) => this.#open().send(chan.name, { item, content }),
      bury: (chan, item, cause, error) => this.#bury(chan, item, cause, error),
      readable: (chan, item, message) => this.#readable(chan, item, message),
      failed: (chan, error, { position, deliveries }) => {
        this.metricsIncrement(deliveries === 1 ? METRIC_ERRORS : METRIC_RETRIES, chan);
        this.logger.warn("An item could not be handled.", { ...where(chan), item: position, deliveries, error });
      },
      troubled: (chan, error) =>
        this.logger.error("The channel is in trouble; it is tried again.", { ...where(chan), error }),
      stalled: () => this.#session?.stalled ?? false,
      active: (chan, id, begins) => {
        if (!this.activeMessages.has(chan.id)) return;
        if (begins) this.addChannelActiveMessages(chan.id, [id]);
        else this.removeChannelActiveMessages(chan.id, [id]);
      },
    };
  }

  /** Resolves when the dead letter is confirmed. @throws ChannelDepthError: there is no room for it. */
  protected async bury(chan: Channel, { item, content }: Delivered, cause: DeadCause, error: unknown): Promise<void> {
    const { id, position, published, key, deliveries } = item;
    const headers = this.deadLetterHeaders(chan, workMessageOf(item), cause, error, deliveries);
    // By the item's own id: the same death told twice is one letter to whoever reads it.
    const letter = {
      id,
      position,
      published,
      key,
      headers,
      due: 0,
      deadline: null,
      deliveries: 0,
      failures: 0,
      copy: 0,
    };
    await this.#open().put(deadChannelOf(chan.name), [{ item: letter, content }]);
  }

  async #bury(chan: Channel, dead: Delivered, cause: DeadCause, thrown: unknown): Promise<void> {
    const error = thrown ?? undeliveredError(cause, dead.item);
    await this.bury(chan, dead, cause, error);
    this.metricsIncrement(METRIC_DEAD, chan);
    const { position: item } = dead.item;
    this.logger.error("An item was put aside.", { channel: chan.name, group: chan.group, item, cause, error });
  }

  /** A dead letter that the broker made, because nobody had taken the item, tells the same as one of ours. */
  #readable({ name }: Channel, item: RabbitItem, message: ConsumeMessage): RabbitItem {
    const death = item.headers["x-dead-cause"] === undefined ? deathOf(name, message) : undefined;
    if (!death) return item;
    const { cause, queue, at } = death;
    const before = { ...item, deliveries: Math.max(0, item.deliveries - 1) };
    const error = undeliveredError(cause, before);
    const headers = this.deadLetterHeaders({ name: queue }, workMessageOf(before), cause, error, before.deliveries);
    headers["x-dead-at"] = at.toISOString();
    return { ...item, headers, due: 0, deadline: null };
  }

  #open(): RabbitSession {
    if (!this.#session || !this.connected) throw new ChannelNotConnectedError();
    return this.#session;
  }
}
