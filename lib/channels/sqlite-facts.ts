import {
  type AdapterOptions,
  type Channel,
  ChannelAdapter,
  METRIC_DEAD,
  METRIC_ERRORS,
  METRIC_RETRIES,
} from "./base-adapter.ts";
import type { ChannelFileOptions } from "./channel-file.ts";
import type { ChannelLog, Row } from "./channel-log.ts";
import { type Batch, type ConsumerHost, ConsumerLoop, rawOf } from "./consumer-loop.ts";
import { deadChannelOf } from "./dead-cause.ts";
import { ChannelNotConnectedError, isFinal } from "./errors.ts";
import type { FactsAdmin, SeekTarget } from "./facts-admin.ts";
import { GroupAdmin } from "./group-admin.ts";
import { LogFile } from "./log-file.ts";
import type { Publication, PublishOptions } from "./message.ts";
import { payloadText } from "./payload-text.ts";
import { type SessionOptions, SqliteSession } from "./sqlite-session.ts";

export interface SqliteFactsOptions extends AdapterOptions, ChannelFileOptions, SessionOptions {
  /** Longest payload, characters of JSON text. @default 16777216 */
  payloadCharsMax?: number;
  /** Characters of payload in one batch, approximately. @default 8388608 */
  batchCharsMax?: number;
}

/**
 * Durable, ordered, replayable channels in one SQLite file: a log per channel and a position per (channel, group).
 * Every channel is in total order; each group has one taker, also over several processes on one machine. Delivery is
 * at least once: a position is committed after the handler resolved, with one commit per batch (without `batch`, per
 * message).
 */
export class SqliteFactsAdapter extends ChannelAdapter implements FactsAdmin {
  readonly options: SqliteFactsOptions;
  #session: SqliteSession | undefined;
  #consumers = new Map<string, ConsumerLoop>();
  #subscriptions = 0;
  #payloadCharsMax: number;

  constructor(options: SqliteFactsOptions) {
    super(options);
    this.options = options;
    this.#payloadCharsMax = options.payloadCharsMax ?? 16_777_216;
  }

  /** @throws Error naming the file when it cannot be used. */
  async connect(): Promise<void> {
    this.#session = new SqliteSession(this.openFile(), this.options, {
      committed: (logs) => this.#wake(new Set(logs)),
      changedElsewhere: () => this.#wake(),
      renewLeases: () => this.#renewLeases(),
      failed: (doing, error) => this.logger.warn(`Failed: ${doing}.`, { error }),
    });
    this.connected = true;
  }

  /**
   * Drains the consumers within their bound, commits what waits, and ends whatever the state. Publishing goes on during
   * the drain, because a consumer may publish what its batch has led to; what is acknowledged then is stored as ever.
   */
  async disconnect(): Promise<void> {
    await Promise.all([...this.#consumers.values()].map(({ chan }) => this.unsubscribe(chan)));
    this.connected = false;
    this.#session?.close();
    this.#session = undefined;
  }

  /**
   * Resolves when the message is committed; all messages of one turn of the event loop share a commit.
   *
   * @throws ChannelFullError, ChannelNotConnectedError, ChannelPayloadError: not stored; ChannelCommitError.
   */
  publish(name: string, payload: unknown, options?: PublishOptions): Promise<void> {
    try {
      const session = this.#open();
      session.commits.checkRoom(1);
      const text = payloadText(name, payload, options?.raw, this.#payloadCharsMax);
      return session.commits.append(session.log(name), options?.key, options?.headers, text);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Takes all or, where there is no room for all, none. After a ChannelCommitError some may be stored.
   *
   * @throws as `publish`.
   */
  async publishMany(name: string, items: readonly Publication[]): Promise<void> {
    const session = this.#open();
    session.commits.checkRoom(items.length);
    const log = session.log(name);
    const texts = items.map(({ payload, raw }) => payloadText(name, payload, raw, this.#payloadCharsMax));
    const commits = new Set<Promise<void>>();
    for (const [index, { key, headers }] of items.entries())
      commits.add(session.commits.append(log, key, headers, texts[index] as string));
    await Promise.all(commits);
  }

  /** @throws RangeError naming a field of the consumer that is wrong. */
  async subscribe(chan: Channel): Promise<void> {
    const session = this.#open();
    const { retryMs = 50, retryMaxMs = 5000, batchSize = 500, batchCharsMax = 8_388_608 } = this.options;
    const complete = this.withDefaults(chan);
    const log = session.log(chan.name);
    if (!session.groups.find(log.id, chan.group))
      session.groups.create(log.id, chan.group, chan.startFrom === "end" ? log.end() : log.first());
    this.initChannelActiveMessages(chan.id, false);
    const consumer = new ConsumerLoop(this.#host(session), complete, log, session.lock.holder(++this.#subscriptions), {
      batchSize: chan.batch?.size ?? batchSize,
      batchCharsMax,
      leaseMs: session.leaseMs,
      retryMs,
      retryMaxMs,
    });
    this.#consumers.set(chan.id, consumer);
  }

  /** Lets the batch that runs finish, within `stopTimeoutMs`; a later one is not committed and will come again. */
  async unsubscribe(chan: Channel): Promise<void> {
    const consumer = this.#consumers.get(chan.id);
    if (!consumer || chan.unsubscribing) return;
    chan.unsubscribing = true;
    consumer.stop();
    const inTime = await this.withinStopTimeout(consumer.ended);
    const where = { channel: chan.name, group: chan.group };
    if (!inTime) this.logger.warn("A handler did not end in time; its batch will come again.", where);
    this.#consumers.delete(chan.id);
    this.activeMessages.delete(chan.id);
    try {
      this.#session?.groups.release(consumer.log.id, chan.group, consumer.owner);
    } catch (error) {
      this.logger.warn("A lease could not be given back; it will expire.", { ...where, error });
    }
    this.#wake(new Set([consumer.log]));
  }

  /** Why nothing can be published at present; undefined where it can. */
  get trouble(): string | undefined {
    return this.#session && this.connected ? this.#session.trouble.reason : "facts channel: not connected";
  }

  async position(channel: string, group: string): Promise<number> {
    return this.#group(channel, group).position;
  }

  async lag(channel: string, group: string): Promise<number> {
    return this.#group(channel, group).lag;
  }

  async lags(): Promise<{ channel: string; group: string; lag: number }[]> {
    const { file, groups } = this.#open();
    const logs = new Map(file.channels().map((log) => [log.id, log]));
    return groups.all().flatMap(({ channel, name: group, next }) => {
      const log = logs.get(channel);
      if (!log) return [];
      return [{ channel: this.withoutPrefix(log.name), group, lag: log.end() - Math.max(next, log.first()) }];
    });
  }

  /** A target before the oldest message kept lands on it; one behind the newest waits for the next. */
  async seek(channel: string, group: string, target: SeekTarget): Promise<void> {
    const admin = this.#group(channel, group);
    await admin.seek(target);
    for (const consumer of this.#consumers.values())
      if (consumer.log === admin.log && consumer.chan.group === group) consumer.interrupt();
  }

  /** Removes a group that will never come back, so that retention does not wait for it. @throws GroupActiveError */
  async forget(channel: string, group: string): Promise<void> {
    await this.#group(channel, group).forget();
  }

  /** Deletes now what retention lets go. */
  async trim(): Promise<void> {
    await this.#open().retention.run();
  }

  protected openFile(): LogFile {
    return new LogFile(this.options);
  }

  /** The one place that decides when a position is committed: after the handler. */
  protected async processBatch(batch: Batch): Promise<void> {
    await batch.deliver();
    await batch.commit();
  }

  #host({ groups, commits, lock }: SqliteSession): ConsumerHost {
    const where = (chan: Channel) => ({ channel: chan.name, group: chan.group });
    return {
      groups,
      commits,
      processBatch: (batch) => this.processBatch(batch),
      isAlive: (owner) => lock.isAlive(owner),
      writeDeadLetter: (chan, row, error, attempts) => this.#writeDeadLetter(chan, row, error, attempts),
      failed: (chan, error, failures, first, messages) => {
        this.metricsIncrement(failures === 1 ? METRIC_ERRORS : METRIC_RETRIES, chan);
        // Ever rarer, because an outage may last.
        if ((failures & (failures - 1)) === 0)
          this.logger.warn("Messages could not be handled.", {
            ...where(chan),
            position: first[0],
            messages,
            failures,
            error,
          });
      },
      troubled: (chan, error) =>
        this.logger.error("The channel is in trouble; it is tried again.", { ...where(chan), error }),
      active: (chan, id, begins) => {
        if (!this.activeMessages.has(chan.id)) return;
        if (begins) this.addChannelActiveMessages(chan.id, [id]);
        else this.removeChannelActiveMessages(chan.id, [id]);
      },
    };
  }

  async #writeDeadLetter(chan: Channel, row: Row, error: unknown, attempts: number): Promise<void> {
    const cause = isFinal(error) ? "rejected" : "delivery_limit";
    const headers = this.deadLetterHeaders(chan, rawOf(row), cause, error, attempts);
    await this.publish(deadChannelOf(chan.name), row[3], { raw: true, key: row[1] ?? undefined, headers });
    this.metricsIncrement(METRIC_DEAD, chan);
    this.logger.error("A message was put aside.", { channel: chan.name, group: chan.group, position: row[0], error });
  }

  #open(): SqliteSession {
    if (!this.#session || !this.connected) throw new ChannelNotConnectedError();
    return this.#session;
  }

  #group(channel: string, group: string): GroupAdmin {
    return new GroupAdmin(this.#open(), channel, this.addPrefixTopic(channel), group);
  }

  #wake(logs?: Set<ChannelLog>): void {
    for (const consumer of this.#consumers.values()) if (!logs || logs.has(consumer.log)) consumer.wake();
  }

  #renewLeases(): void {
    const held = [...this.#consumers.values()].filter(({ leased }) => leased);
    if (!this.#session || held.length === 0) return;
    const { groups, commits, leaseMs } = this.#session;
    const renew = () => {
      for (const { log, chan, owner } of held) groups.renew(log.id, chan.group, owner, Date.now() + leaseMs);
    };
    commits.update(renew).catch((error) => this.logger.warn("Leases could not be renewed.", { error }));
  }
}
