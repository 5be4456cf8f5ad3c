import {
  type AdapterOptions,
  type Channel,
  ChannelAdapter,
  METRIC_DEAD,
  METRIC_ERRORS,
  METRIC_RETRIES,
} from "../base-adapter.ts";
import { deadChannelOf } from "../dead-cause.ts";
import { ChannelNotConnectedError, GroupNotFoundError, isFinal } from "../errors.ts";
import type { FactsAdmin, SeekTarget } from "../facts-admin.ts";
import type { Position, Publication, PublishOptions } from "../message.ts";
import { payloadText } from "../payload-text.ts";
import { GroupConsumer, type GroupConsumerHost } from "./group-consumer.ts";
import { seekGroup } from "./group-seek.ts";
import { insist } from "./insist.ts";
import { type GroupPartition, groupIdOf, lagOf } from "./kafka-groups.ts";
import { KafkaSession, type SessionOptions } from "./kafka-session.ts";
import type { PartitionBatch } from "./partition-batch.ts";
import { positionOf } from "./partition-offsets.ts";
import { type PartitionRecord, rawOf, textOf } from "./record.ts";

export interface KafkaFactsOptions extends AdapterOptions, SessionOptions {
  /** Bytes of payload in one batch; a single message may be larger. @default 8388608 */
  batchBytesMax?: number;
}

/** How long a stop waits for Kafka to take what is to be sent. */
const SEND_MS = 2000;

/**
 * Durable, replayable channels in Kafka: a topic per channel, a consumer group per (channel, group). Order holds per
 * key; a position is `partition:offset`. Delivery is at least once: a position is committed after the handler resolved,
 * with one commit per batch, which is of one partition.
 */
export class KafkaFactsAdapter extends ChannelAdapter implements FactsAdmin {
  readonly options: KafkaFactsOptions;
  #session: KafkaSession | undefined;
  readonly #consumers = new Map<string, GroupConsumer>();
  readonly #stopping = new AbortController();

  constructor(options: KafkaFactsOptions) {
    super(options);
    this.options = options;
  }

  /** Waits for Kafka as long as it takes. @throws Error where it refuses us, or a file of TLS cannot be read. */
  async connect(): Promise<void> {
    const { signal } = this.#stopping;
    this.#session = await KafkaSession.open(this.options, this.broker.nodeID, this.logger, signal);
    this.connected = true;
  }

  override stopping(): void {
    this.#session?.queue.limit(this.#sendMs);
  }

  /**
   * Drains the consumers within their bound, sends what waits, and ends whatever the state. Publishing goes on during
   * the drain, because a consumer may publish what its batch has led to.
   */
  async disconnect(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#consumers.values()].map(({ chan }) => this.unsubscribe(chan)));
    this.connected = false;
    const session = this.#session;
    this.#session = undefined;
    await session?.close(this.#sendMs);
  }

  /**
   * Resolves when every replica in sync has the message; all of one turn of the event loop travel together.
   *
   * @throws ChannelFullError, ChannelNotConnectedError, ChannelPayloadError: not stored; ChannelCommitError.
   */
  publish(name: string, payload: unknown, options?: PublishOptions): Promise<void> {
    try {
      const { queue } = this.#open();
      queue.checkRoom(1);
      const text = payloadText(name, payload, options?.raw, this.options.payloadBytesMax ?? 8_388_608);
      return queue.append(name, options?.key, options?.headers, text);
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
    const { queue } = this.#open();
    queue.checkRoom(items.length);
    const charsMax = this.options.payloadBytesMax ?? 8_388_608;
    const texts = items.map(({ payload, raw }) => payloadText(name, payload, raw, charsMax));
    const stored = new Set<Promise<void>>();
    for (const [index, { key, headers }] of items.entries())
      stored.add(queue.append(name, key, headers, texts[index] as string));
    await Promise.all(stored);
  }

  /** @throws RangeError naming a field of the consumer that is wrong. */
  async subscribe(chan: Channel): Promise<void> {
    const session = this.#open();
    const complete = this.withDefaults(chan);
    const { retryMs = 50, retryMaxMs = 5000, batchSize = 500, batchBytesMax = 8_388_608 } = this.options;
    const known = await insist(
      async () => {
        await session.topics.partitions(chan.name);
        return session.groups.partitions(chan.name, chan.group);
      },
      this.#stopping.signal,
      (error) => this.logger.warn("Kafka is awaited.", { channel: chan.name, group: chan.group, error }),
    );
    // Asked now: what is published between this and the group's first batch is for it.
    const start = new Map(known.map(({ partition, low, high }) => [partition, chan.startFrom === "end" ? high : low]));
    this.initChannelActiveMessages(chan.id, false);
    const consumer = new GroupConsumer(
      session.client,
      this.#host(session, chan, start),
      complete,
      groupIdOf(chan.name, chan.group),
      { batchSize: chan.batch?.size ?? batchSize, batchBytesMax, retryMs, retryMaxMs },
    );
    this.#consumers.set(chan.id, consumer);
  }

  async unsubscribe(chan: Channel): Promise<void> {
    const consumer = this.#consumers.get(chan.id);
    if (!consumer) return;
    chan.unsubscribing = true;
    consumer.stop();
    const inTime = await this.withinStopTimeout(consumer.ended);
    const where = { channel: chan.name, group: chan.group };
    if (!inTime) this.logger.warn("A consumer did not end in time; its batch will come again.", where);
    this.#consumers.delete(chan.id);
    this.activeMessages.delete(chan.id);
  }

  get trouble(): string | undefined {
    return this.#session && this.connected ? this.#session.trouble : "facts channel: not connected";
  }

  async position(channel: string, group: string): Promise<Position> {
    const partitions = await this.#known(channel, group);
    return positionOf(
      partitions.map(({ partition, low, committed }) => ({ partition, offset: Math.max(committed ?? low, low) })),
    );
  }

  async lag(channel: string, group: string): Promise<number> {
    return lagOf(await this.#known(channel, group));
  }

  async lags(): Promise<{ channel: string; group: string; lag: number }[]> {
    const { groups, topics } = this.#open();
    const found = await Promise.all(
      (await groups.all(this.addPrefixTopic("x").slice(0, -1))).map(async ({ topic, group }) => {
        if (!(await topics.exists(topic))) return [];
        const partitions = await groups.partitions(topic, group);
        if (partitions.every(({ committed }) => committed === undefined)) return [];
        return [{ channel: this.withoutPrefix(topic), group, lag: lagOf(partitions) }];
      }),
    );
    return found.flat();
  }

  /** A target before the oldest message kept lands on it; one behind the newest waits for the next. */
  async seek(channel: string, group: string, target: SeekTarget): Promise<void> {
    const { client, groups } = this.#open();
    const topic = this.addPrefixTopic(channel);
    const known = await this.#known(channel, group);
    const offsets = await groups.offsetsAt(topic, known, target);
    const own = this.#consumer(topic, group);
    if (own?.holdsAll(known.length)) await own.seek(offsets);
    else await seekGroup(client, topic, groupIdOf(topic, group), offsets, known.length);
  }

  /** Removes a group that will never come back. @throws GroupActiveError, GroupNotFoundError */
  async forget(channel: string, group: string): Promise<void> {
    await this.#open().groups.forget(channel, this.addPrefixTopic(channel), group);
  }

  /** The one place that decides when a position is committed: after the handler. */
  protected async processBatch(batch: PartitionBatch): Promise<void> {
    await batch.deliver();
    await batch.commit();
  }

  #host({ groups }: KafkaSession, chan: Channel, start: ReadonlyMap<number, number>): GroupConsumerHost {
    const where = { channel: chan.name, group: chan.group };
    return {
      processBatch: (batch) => this.processBatch(batch),
      beginnings: async () =>
        (await groups.partitions(chan.name, chan.group))
          .filter(({ committed }) => committed === undefined)
          .map(({ partition, low }) => ({ partition, offset: start.get(partition) ?? low })),
      writeDeadLetter: (_chan, record, error, attempts) => this.#writeDeadLetter(chan, record, error, attempts),
      failed: (_chan, error, failures, { partition, message }, messages) => {
        this.metricsIncrement(failures === 1 ? METRIC_ERRORS : METRIC_RETRIES, chan);
        // Ever rarer, because an outage may last.
        if ((failures & (failures - 1)) === 0)
          this.logger.warn("Messages could not be handled.", {
            ...where,
            position: `${partition}:${message.offset}`,
            messages,
            failures,
            error,
          });
      },
      troubled: (_chan, error) =>
        this.logger.error("The channel is in trouble; it is tried again.", { ...where, error }),
      active: (_chan, id, begins) => {
        if (!this.activeMessages.has(chan.id)) return;
        if (begins) this.addChannelActiveMessages(chan.id, [id]);
        else this.removeChannelActiveMessages(chan.id, [id]);
      },
    };
  }

  async #writeDeadLetter(chan: Channel, record: PartitionRecord, error: unknown, attempts: number): Promise<void> {
    const raw = rawOf(record);
    const headers = this.deadLetterHeaders(chan, raw, isFinal(error) ? "rejected" : "delivery_limit", error, attempts);
    const key = raw.key ?? undefined;
    await this.publish(deadChannelOf(chan.name), textOf(record), { raw: true, key, headers });
    this.metricsIncrement(METRIC_DEAD, chan);
    const { position } = raw;
    this.logger.error("A message was put aside.", { channel: chan.name, group: chan.group, position, error });
  }

  get #sendMs(): number {
    return Math.min(SEND_MS, this.options.stopTimeoutMs ?? SEND_MS);
  }

  #open(): KafkaSession {
    if (!this.#session || !this.connected) throw new ChannelNotConnectedError();
    return this.#session;
  }

  #consumer(topic: string, group: string): GroupConsumer | undefined {
    return [...this.#consumers.values()].find(({ chan }) => chan.name === topic && chan.group === group);
  }

  /** @throws GroupNotFoundError */
  async #known(channel: string, group: string): Promise<GroupPartition[]> {
    const { groups, topics } = this.#open();
    const topic = this.addPrefixTopic(channel);
    const partitions = (await topics.exists(topic)) ? await groups.partitions(topic, group) : [];
    if (this.#consumer(topic, group) || partitions.some(({ committed }) => committed !== undefined)) return partitions;
    throw new GroupNotFoundError(channel, group);
  }
}
