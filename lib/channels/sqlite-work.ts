import {
  type AdapterOptions,
  type Channel,
  ChannelAdapter,
  METRIC_DEAD,
  METRIC_ERRORS,
  METRIC_RETRIES,
} from "./base-adapter.ts";
import type { ChannelFileOptions } from "./channel-file.ts";
import { type DeadCause, deadChannelOf, isDeadChannel } from "./dead-cause.ts";
import { ChannelDepthError, ChannelNotConnectedError } from "./errors.ts";
import type { Publication, WorkOptions } from "./message.ts";
import { payloadText } from "./payload-text.ts";
import type { WorkAdmin } from "./work-admin.ts";
import { type ExpiredItem, WorkFile } from "./work-file.ts";
import { type ItemInWork, undeliveredError, type WorkHost, WorkLoop, workMessageOf } from "./work-loop.ts";
import type { NewItem, WorkItem, WorkQueue } from "./work-queue.ts";
import { WorkSession, type WorkSessionOptions } from "./work-session.ts";
import { itemTimes, type WorkLimits } from "./work-times.ts";

export interface SqliteWorkOptions extends AdapterOptions, ChannelFileOptions, WorkSessionOptions, Partial<WorkLimits> {
  /** Items of one channel at most; publishing above it is refused with 429. Holds for dead letters too. @default 100000 */
  depthMax?: number;
  /** Items that one consumer works on at once, where it does not say. @default 10 */
  maxInFlight?: number;
  /** Longest payload, characters of JSON text. @default 16777216 */
  payloadCharsMax?: number;
}

/**
 * Durable work queues in one SQLite file. An item has one taker at a time, by a lease that is renewed while its handler
 * runs, also over several processes on one machine. Delivery is at least once: an item is deleted after its handler
 * resolved. An item that fails, or whose time is up, is moved to `<channel>.dead` in one transaction.
 */
export class SqliteWorkAdapter extends ChannelAdapter implements WorkAdmin {
  readonly options: SqliteWorkOptions;
  #session: WorkSession | undefined;
  #consumers = new Map<string, WorkLoop>();
  #subscriptions = 0;
  #depthMax: number;
  #payloadCharsMax: number;
  #limits: WorkLimits;

  constructor(options: SqliteWorkOptions) {
    super({ maxRetries: 9, retryMs: 1000, retryMaxMs: 60_000, ...options });
    this.options = options;
    this.#depthMax = options.depthMax ?? 100_000;
    this.#payloadCharsMax = options.payloadCharsMax ?? 16_777_216;
    this.#limits = { ttlMs: options.ttlMs, delayMaxMs: options.delayMaxMs ?? 2_592_000_000 };
  }

  /** @throws Error naming the file when it cannot be used. */
  async connect(): Promise<void> {
    this.#session = new WorkSession(this.openFile(), this.options, {
      changed: () => this.#wake(),
      renewLeases: () => this.renewLeases(),
      expired: (item) => this.#expire(item),
      failed: (doing, error) => this.logger.warn(`Failed: ${doing}.`, { error }),
    });
    this.connected = true;
    // What a process held that was killed is taken up at once.
    await this.#session.sweep();
  }

  /** Lets handlers end within their bound, gives back what they hold, commits what waits, and ends whatever the state. */
  async disconnect(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map(({ chan }) => this.unsubscribe(chan)));
    this.connected = false;
    this.#session?.close();
    this.#session = undefined;
  }

  /**
   * Resolves when the item is committed; all items of one turn of the event loop share a commit.
   *
   * @throws ChannelDepthError, ChannelFullError, ChannelNotConnectedError, ChannelPayloadError, RangeError naming the
   * option: not stored; ChannelCommitError.
   */
  async publish(name: string, payload: unknown, options: WorkOptions = {}): Promise<void> {
    await this.#put(name, [{ payload, ...options }]);
  }

  /** Takes all or, where there is no room for all, none. @throws as `publish` */
  async publishMany(name: string, items: readonly Publication[]): Promise<void> {
    await this.#put(name, items);
  }

  /** @throws RangeError naming a field of the consumer that is wrong; Error where the channel has another group. */
  async subscribe(chan: Channel): Promise<void> {
    const session = this.#open();
    const { maxRetries } = this.withDefaults(chan);
    const maxInFlight = chan.maxInFlight ?? this.options.maxInFlight ?? 10;
    if (!Number.isSafeInteger(maxInFlight) || maxInFlight < 1)
      throw new RangeError(`consumer ${chan.group} of ${chan.name}: maxInFlight must be an integer from 1`);
    const queue = session.queue(chan.name);
    for (const { chan: other } of this.#consumers.values())
      if (other.name === chan.name && other.group !== chan.group)
        throw new Error(
          `work channel '${this.withoutPrefix(chan.name)}' has the group '${other.group}', and no second: '${chan.group}'`,
        );
    if (queue.consumer() !== chan.group) await session.commits.update(() => queue.setConsumer(chan.group));
    this.initChannelActiveMessages(chan.id, false);
    const owner = session.lock.holder(++this.#subscriptions);
    const { retryMs = 1000, retryMaxMs = 60_000 } = this.opts;
    const consumer = new WorkLoop(this.#host(session), chan, queue, owner, {
      maxInFlight,
      leaseMs: session.leaseMs,
      deliveriesMax: maxRetries + 1,
      delayMaxMs: this.#limits.delayMaxMs,
      last: isDeadChannel(chan.name),
      retryMs,
      retryMaxMs,
    });
    this.#consumers.set(chan.id, consumer);
  }

  /** Lets handlers end, within `stopTimeoutMs`; what they hold then goes back, and will come again. */
  async unsubscribe(chan: Channel): Promise<void> {
    const consumer = this.#consumers.get(chan.id);
    if (!consumer || chan.unsubscribing) return;
    chan.unsubscribing = true;
    consumer.stop();
    const inTime = await this.withinStopTimeout(consumer.ended);
    const where = { channel: chan.name, group: chan.group };
    if (!inTime) this.logger.warn("A handler did not end in time; its item will come again.", where);
    this.#consumers.delete(chan.id);
    this.activeMessages.delete(chan.id);
    const session = this.#session;
    try {
      await session?.commits.update(() => session.file.release(consumer.owner, Date.now()));
    } catch (error) {
      this.logger.warn("Items could not be given back; their lease will expire.", { ...where, error });
    }
    this.#wake(chan.name);
  }

  async depths(): Promise<{ channel: string; depth: number }[]> {
    const queues = this.#open().file.queues();
    return queues.map((queue) => ({ channel: this.withoutPrefix(queue.name), depth: queue.depth() }));
  }

  /** Why nothing can be published at present; undefined where it can. */
  get trouble(): string | undefined {
    return this.#session && this.connected ? this.#session.trouble.reason : "work channel: not connected";
  }

  protected openFile(): WorkFile {
    return new WorkFile(this.options);
  }

  /** The one place that decides when an item is at its end: after its handler. */
  protected async processItem(item: ItemInWork): Promise<void> {
    await item.handle();
    await item.done();
  }

  /** Keeps the items whose handlers run from being given to others. */
  protected renewLeases(): void {
    const session = this.#session;
    const busy = [...this.#consumers.values()].filter((consumer) => consumer.busy);
    if (!session || busy.length === 0) return;
    const renew = () => {
      for (const { owner } of busy) session.file.renew(owner, Date.now() + session.leaseMs);
    };
    session.commits.update(renew).catch((error) => this.logger.warn("Leases could not be renewed.", { error }));
  }

  async #put(name: string, items: readonly Publication[]): Promise<void> {
    const session = this.#open();
    session.commits.checkRoom(items.length);
    const queue = session.queue(name);
    const now = Date.now();
    let chars = 0;
    const rows = items.map(({ payload, raw, key, headers, ...options }): NewItem => {
      const value = payloadText(name, payload, raw, this.#payloadCharsMax);
      chars += value.length;
      return {
        ...itemTimes(options, this.#limits, now),
        ...{ key: key ?? null, headers: headers === undefined ? null : JSON.stringify(headers), value },
      };
    });
    const stored = await session.commits.update(() => this.#insert(queue, rows, now), chars);
    if (!stored) throw new ChannelDepthError(this.withoutPrefix(name), this.#depthMax);
    this.#wake(name);
  }

  /** All or none, in a transaction. */
  #insert(queue: WorkQueue, rows: readonly NewItem[], now: number): boolean {
    if (queue.depth() + rows.length > this.#depthMax) return false;
    for (const row of rows) queue.insert(row, now);
    return true;
  }

  #host({ commits }: WorkSession): WorkHost {
    const where = (chan: Channel) => ({ channel: chan.name, group: chan.group });
    return {
      commits,
      processItem: (item) => this.processItem(item),
      bury: (chan, item, owner, cause, error) =>
        this.#bury(chan, item, cause, error, (queue) => queue.remove(item, owner)),
      failed: (chan, error, { id, deliveries }) => {
        this.metricsIncrement(deliveries === 1 ? METRIC_ERRORS : METRIC_RETRIES, chan);
        this.logger.warn("An item could not be handled.", { ...where(chan), item: id, deliveries, error });
      },
      superseded: (chan, { id }) =>
        this.logger.warn("An item went to another taker before its handler had ended.", { ...where(chan), item: id }),
      troubled: (chan, error) =>
        this.logger.error("The channel is in trouble; it is tried again.", { ...where(chan), error }),
      active: (chan, id, begins) => {
        if (!this.activeMessages.has(chan.id)) return;
        if (begins) this.addChannelActiveMessages(chan.id, [id]);
        else this.removeChannelActiveMessages(chan.id, [id]);
      },
    };
  }

  /** Removes an item and writes its dead letter in one transaction. @throws ChannelDepthError: neither happened. */
  async #bury(
    chan: { name: string; group?: string | undefined },
    item: WorkItem,
    cause: DeadCause,
    error: unknown,
    remove: (queue: WorkQueue) => boolean,
  ): Promise<boolean> {
    const session = this.#open();
    const [queue, dead] = [session.queue(chan.name), session.queue(deadChannelOf(chan.name))];
    const { key, value, deliveries } = item;
    const headers = JSON.stringify(this.deadLetterHeaders(chan, workMessageOf(item), cause, error, deliveries));
    const outcome = await session.commits.update(() => {
      const now = Date.now();
      if (dead.depth() >= this.#depthMax) return "full";
      if (!remove(queue)) return "gone";
      dead.insert({ key, headers, value, due: now, deadline: null }, now);
      return "buried";
    });
    if (outcome === "full") throw new ChannelDepthError(this.withoutPrefix(dead.name), this.#depthMax);
    if (outcome === "gone") return false;
    this.metricsIncrement(METRIC_DEAD, chan);
    this.logger.error("An item was put aside.", { channel: chan.name, group: chan.group, item: item.id, cause, error });
    this.#wake(dead.name);
    return true;
  }

  async #expire({ channel, id, fence }: ExpiredItem): Promise<void> {
    const queue = this.#open().queue(channel);
    const item = queue.find(id);
    if (!item || item.fence !== fence) return;
    const from = { name: channel, group: queue.consumer() };
    await this.#bury(from, item, "expired", undeliveredError("expired", item), () => queue.removeFree(item));
  }

  #open(): WorkSession {
    if (!this.#session || !this.connected) throw new ChannelNotConnectedError();
    return this.#session;
  }

  #wake(name?: string): void {
    for (const consumer of this.#consumers.values())
      if (name === undefined || consumer.chan.name === name) consumer.wake();
  }
}
