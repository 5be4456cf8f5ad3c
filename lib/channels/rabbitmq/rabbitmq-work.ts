import type { ConsumeMessage } from "amqplib";
import {
  type AdapterOptions,
  type Channel,
  ChannelAdapter,
  METRIC_DEAD,
  METRIC_ERRORS,
  METRIC_RETRIES,
} from "../base-adapter.ts";
import { type DeadCause, deadChannelOf, isDeadChannel } from "../dead-cause.ts";
import { ChannelCommitError, ChannelDepthError, ChannelFullError, ChannelNotConnectedError } from "../errors.ts";
import type { Publication, WorkOptions } from "../message.ts";
import { payloadText } from "../payload-text.ts";
import type { WorkAdmin } from "../work-admin.ts";
import { undeliveredError } from "../work-loop.ts";
import { itemTimes, type WorkLimits } from "../work-times.ts";
import { type ConsumerHost, type Delivered, type ItemInWork, RabbitConsumer } from "./consumer.ts";
import { rungFor, rungsUpTo } from "./delays.ts";
import { Depth } from "./depth.ts";
import { deathOf, expirationOf, nextPosition, propertiesOf, type RabbitItem, workMessageOf } from "./item.ts";
import { AmqpLink, type LinkEvents, type LinkOptions } from "./link.ts";
import { Publisher } from "./publisher.ts";
import { StallWatch } from "./stall.ts";
import { Topology } from "./topology.ts";
import { within } from "./within.ts";

export interface RabbitmqWorkOptions extends AdapterOptions, Partial<WorkLimits> {
  /** `amqp://` or `amqps://`, with user, password and virtual host. */
  url: string;
  /** Names of all channels, without prefix: AMQP cannot be asked which queues there are. `depths` tells of these. */
  channels?: readonly string[];
  /** Items of one channel at most; publishing above it is refused with 429. Holds for dead letters too. @default 100000 */
  depthMax?: number;
  /** Items that may wait for their confirmation. @default 20000 */
  pendingMax?: number;
  /** Items that one consumer works on at once, where it does not say. @default 10 */
  maxInFlight?: number;
  /** Longest payload, characters of JSON text. @default 16777216 */
  payloadCharsMax?: number;
  /** After this an item whose process hangs goes to another taker, milliseconds: by heartbeats. @default 30000 */
  leaseMs?: number;
  /** How long a confirmation is waited for, milliseconds. @default 30000 */
  confirmTimeoutMs?: number;
  /** How long one attempt to connect may take, milliseconds. @default 5000 */
  connectTimeoutMs?: number;
}

interface Ready {
  item: RabbitItem;
  content: Buffer;
}

/**
 * Durable work queues on RabbitMQ: quorum queues, publisher confirms, a channel for each consumer. Delivery is at least
 * once: an item is acknowledged after its handler resolved, or when the copy that takes its place is confirmed, a later
 * delivery or a dead letter.
 */
export class RabbitmqWorkAdapter extends ChannelAdapter implements WorkAdmin {
  readonly options: RabbitmqWorkOptions;
  #limits: WorkLimits;
  #session: Session | undefined;
  readonly #consumers = new Map<string, RabbitConsumer>();
  readonly #depths = new Map<string, Depth>();

  constructor(options: RabbitmqWorkOptions) {
    super({ maxRetries: 9, retryMs: 1000, retryMaxMs: 60_000, ...options });
    this.options = options;
    this.#limits = { ttlMs: options.ttlMs, delayMaxMs: options.delayMaxMs ?? 2_592_000_000 };
  }

  /** Without a broker that answers it starts all the same, and says so by `trouble`. @throws Error when it refuses us. */
  async connect(): Promise<void> {
    const heartbeatSeconds = heartbeatOf(this.options);
    const publisher = this.openPublisher(this.options.confirmTimeoutMs ?? 30_000);
    const topology = new Topology((message, fields) => this.logger.warn(message, fields));
    const publishing = this.#link("publisher", heartbeatSeconds, {
      up: async (connection) => {
        topology.up(connection);
        await publisher.up(connection, (reason) => publishing.drop(reason));
      },
      down: () => {
        topology.down();
        publisher.down();
      },
    });
    const consuming = this.#link("consumer", heartbeatSeconds, {
      up: async (connection) => {
        for (const consumer of this.#consumers.values()) void consumer.up(connection);
      },
      down: () => {
        for (const consumer of this.#consumers.values()) consumer.down();
      },
    });
    // The broker gives a peer up after two heartbeats at the earliest.
    const stall = new StallWatch(heartbeatSeconds * 2000, (ms) =>
      consuming.drop(`this process hung for ${Math.round(ms)} ms`),
    );
    this.#session = { publisher, topology, publishing, consuming, stall };
    try {
      await Promise.all([publishing.open(), consuming.open()]);
    } catch (error) {
      await this.disconnect();
      throw error;
    }
    this.connected = true;
  }

  /** Lets handlers end within their bound, gives back what they hold, and ends whatever the broker does. */
  async disconnect(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map(({ chan }) => this.unsubscribe(chan)));
    this.connected = false;
    const session = this.#session;
    this.#session = undefined;
    if (!session) return;
    await within(1000, "confirmations", session.publisher.settle()).catch(() => {});
    session.publisher.close();
    session.stall.stop();
    await Promise.all([session.publishing.close(), session.consuming.close()]);
    this.#depths.clear();
  }

  /**
   * Resolves when the queue has confirmed the item.
   *
   * @throws ChannelDepthError, ChannelFullError, ChannelNotConnectedError, ChannelPayloadError, ChannelUnroutableError,
   * RangeError naming the option: not stored; ChannelCommitError: not stored, or nobody knows.
   */
  async publish(name: string, payload: unknown, options: WorkOptions = {}): Promise<void> {
    await this.#put(name, [this.#ready(name, { payload, ...options })]);
  }

  /** Takes none where there is no room for all. After another error some may be stored. @throws as `publish` */
  async publishMany(name: string, items: readonly Publication[]): Promise<void> {
    await this.#put(
      name,
      items.map((item) => this.#ready(name, item)),
    );
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
    const { topology } = this.#open();
    const named = (this.options.channels ?? []).flatMap((channel) => [channel, deadChannelOf(channel)]);
    const names = new Set([...named.map((channel) => this.addPrefixTopic(channel)), ...this.#depths.keys()]);
    return Promise.all(
      [...names].map(async (name) => ({
        channel: this.withoutPrefix(name),
        depth: await this.#count(topology, name),
      })),
    );
  }

  /** Why nothing can be published at present; undefined where it can. */
  get trouble(): string | undefined {
    if (!this.#session || !this.connected) return "work channel: not connected";
    const trouble = this.#session.publishing.trouble ?? this.#session.consuming.trouble;
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

  #link(role: string, heartbeatSeconds: number, events: Omit<LinkEvents, "log">): AmqpLink {
    const { url, connectTimeoutMs = 5000 } = this.options;
    return this.openLink(
      {
        url,
        name: `${this.broker.nodeID} ${role}`,
        heartbeatSeconds,
        connectTimeoutMs,
        retryMs: 100,
        retryMaxMs: 2000,
      },
      { ...events, log: (message, fields) => this.logger.warn(message, { connection: role, ...fields }) },
    );
  }

  #ready(name: string, { payload, raw, key, headers, ...options }: Publication): Ready {
    const text = payloadText(name, payload, raw, this.options.payloadCharsMax ?? 16_777_216);
    const published = Date.now();
    const { due, deadline } = itemTimes(options, this.#limits, published);
    const position = nextPosition();
    return {
      content: Buffer.from(text),
      item: {
        ...{ id: `${published}-${position}`, position, published, deadline },
        ...{ key: key ?? null, headers: headers ?? {}, due: options.delayMs ? due : 0 },
        ...{ deliveries: 0, failures: 0, copy: 0 },
      },
    };
  }

  async #put(name: string, items: readonly Ready[]): Promise<void> {
    const session = this.#open();
    const { publisher, topology } = session;
    if (publisher.pending + items.length > (this.options.pendingMax ?? 20_000))
      throw new ChannelFullError(publisher.pending);
    if (!topology.has(name)) await asked(topology.ensure(name));
    const depth = this.#depth(topology, name);
    if (!depth.tryReserve(items.length) && !(await asked(depth.reserve(items.length))))
      throw new ChannelDepthError(this.withoutPrefix(name), this.#depthMax);
    if (items.length === 1) return this.#store(session, depth, name, items[0] as Ready);
    const outcomes = await Promise.allSettled(items.map((item) => this.#store(session, depth, name, item)));
    const failed = outcomes.find(({ status }) => status === "rejected");
    if (failed) throw (failed as PromiseRejectedResult).reason;
  }

  /** Sends an item for which there is room. */
  async #store(session: Session, depth: Depth, name: string, { item, content }: Ready): Promise<void> {
    let stored = false;
    try {
      await this.#send(session, name, item, content);
      stored = true;
    } finally {
      depth.settle(1, stored);
    }
  }

  /** To the queue or, as long as it is not due, to a delay queue, in which it waits until its deadline at most. */
  async #send({ publisher, topology }: Session, name: string, item: RabbitItem, content: Buffer): Promise<void> {
    const properties = propertiesOf(item);
    const now = Date.now();
    let queue = name;
    if (item.due > now) {
      const wait = Math.min(item.due, item.deadline ?? item.due) - now;
      queue = await asked(topology.ensureDelay(name, rungFor(Math.max(1, wait))));
    } else {
      const expiration = expirationOf(item.deadline, now);
      if (expiration !== undefined) properties.expiration = expiration;
    }
    try {
      await publisher.publish(queue, content, properties);
    } catch (error) {
      // Deleted under us, perhaps: it is declared again the next time.
      topology.forget(queue);
      throw error;
    }
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
      processItem: (item) => this.processItem(item),
      postpone: (chan, item, content) => this.#send(this.#open(), chan.name, item, content),
      bury: (chan, item, cause, error) => this.#bury(chan, item, cause, error),
      readable: (chan, item, message) => this.#readable(chan, item, message),
      failed: (chan, error, { position, deliveries }) => {
        this.metricsIncrement(deliveries === 1 ? METRIC_ERRORS : METRIC_RETRIES, chan);
        this.logger.warn("An item could not be handled.", { ...where(chan), item: position, deliveries, error });
      },
      troubled: (chan, error) =>
        this.logger.error("The channel is in trouble; it is tried again.", { ...where(chan), error }),
      stalled: () => this.#session?.stall.stalled ?? false,
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
    await this.#put(deadChannelOf(chan.name), [{ item: letter, content }]);
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

  #depth(topology: Topology, name: string): Depth {
    let depth = this.#depths.get(name);
    if (!depth) {
      depth = new Depth(this.#depthMax, () => this.#count(topology, name));
      this.#depths.set(name, depth);
    }
    return depth;
  }

  async #count(topology: Topology, name: string): Promise<number> {
    const waiting = await asked(topology.count(name));
    let inWork = 0;
    for (const consumer of this.#consumers.values()) if (consumer.chan.name === name) inWork += consumer.inWork;
    return waiting + inWork;
  }

  get #depthMax(): number {
    return this.options.depthMax ?? 100_000;
  }

  #open(): Session {
    if (!this.#session || !this.connected) throw new ChannelNotConnectedError();
    return this.#session;
  }
}

/** All that exists of the engine between connect and disconnect. */
interface Session {
  publisher: Publisher;
  topology: Topology;
  /** Apart from consuming: a broker in need of memory or disk stops listening to those who publish, and only to them. */
  publishing: AmqpLink;
  consuming: AmqpLink;
  stall: StallWatch;
}

/** The broker gives a peer up after two to three of them. What the URL says comes first. */
function heartbeatOf({ url, leaseMs = 30_000 }: RabbitmqWorkOptions): number {
  const asked = Number(new URL(url).searchParams.get("heartbeat"));
  return asked >= 1 ? Math.floor(asked) : Math.max(1, Math.floor(leaseMs / 3000));
}

/** An engine that does not answer is away. */
async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new ChannelCommitError(error);
  }
}
