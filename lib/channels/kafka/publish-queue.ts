import { setTimeout as sleep } from "node:timers/promises";
import type { Message, Producer, RecordMetadata, TopicMessages } from "kafkajs";
import { ChannelCommitError, ChannelFullError, ChannelNotConnectedError, ChannelPayloadError } from "../errors.ts";
import { insist } from "./insist.ts";
import { partitionOf } from "./partition-key.ts";

export interface PublishQueueOptions {
  /** Messages of one request at most. @default 2000 */
  requestMax?: number;
  /** Bytes of one request at most, where it has more than one message. @default 900000 */
  requestBytesMax?: number;
  /** Messages that wait for their acknowledgement at most. @default 20000 */
  pendingMax?: number;
  /** Bytes of payload that wait for their acknowledgement at most. @default 67108864 */
  pendingBytesMax?: number;
}

/** What the queue needs of its adapter. */
export interface PublishHost {
  /** A connected producer; another one after a failure. */
  newProducer(): Promise<Producer>;
  /** @throws where Kafka is away */
  partitions(topic: string): Promise<number>;
  failed(error: unknown): void;
}

/** What is sent at once. All its messages share one promise. */
interface Group {
  messages: number;
  bytes: number;
  byTopic: Map<string, Message[]>;
  stored: Promise<void>;
  settle: { resolve(): void; reject(error: unknown): void };
}

/** Headers and framing of one message, approximately. */
const ENVELOPE_BYTES = 100;
/** A larger message travels alone: should the broker refuse it, nothing else is refused with it. */
const ALONE_BYTES = 262_144;
const GOODBYE_MS = 500;
const LOOK_MS = 50;
const TOO_LARGE = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"];

function emptyGroup(): Group {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { messages: 0, bytes: 0, byTopic: new Map(), stored: promise, settle: { resolve, reject } };
}

/**
 * Collects what is published and sends it with one request outstanding: several would be tried again independently
 * after an outage, and change their order. Waits for Kafka as long as it takes.
 */
export class PublishQueue {
  readonly #host: PublishHost;
  readonly #options: Required<PublishQueueOptions>;
  readonly #groups: Group[] = [];
  #messages = 0;
  #bytes = 0;
  #outstanding: Group | undefined;
  #running: Promise<void> | undefined;
  #producer: Producer | undefined;
  #turn = 0;
  readonly #closed = new AbortController();
  #watch: NodeJS.Timeout | undefined;

  constructor(host: PublishHost, options: PublishQueueOptions) {
    this.#host = host;
    this.#options = {
      requestMax: options.requestMax ?? 2000,
      requestBytesMax: options.requestBytesMax ?? 900_000,
      pendingMax: options.pendingMax ?? 20_000,
      pendingBytesMax: options.pendingBytesMax ?? 67_108_864,
    };
  }

  /**
   * The bytes of what is to come don't count: a large message would never find room.
   *
   * @throws ChannelFullError; ChannelPayloadError for more messages than there can ever be room for.
   */
  checkRoom(messages: number): void {
    const { pendingMax, pendingBytesMax } = this.#options;
    if (messages > pendingMax)
      throw new ChannelPayloadError(`${messages} messages at once, at most ${pendingMax} may wait for their commit`);
    if (this.#messages + messages > pendingMax || this.#bytes >= pendingBytesMax)
      throw new ChannelFullError(this.#messages);
  }

  /** Resolves when every replica in sync has it. Whoever calls has checked that there is room. */
  append(
    topic: string,
    key: string | undefined,
    headers: Record<string, string> | undefined,
    value: string,
  ): Promise<void> {
    if (this.#closed.signal.aborted) return Promise.reject(new ChannelNotConnectedError());
    const bytes = Buffer.byteLength(value) + ENVELOPE_BYTES;
    const group = this.#current(bytes);
    let messages = group.byTopic.get(topic);
    if (!messages) {
      messages = [];
      group.byTopic.set(topic, messages);
    }
    messages.push(headers === undefined ? { key: key ?? null, value } : { key: key ?? null, value, headers });
    group.messages++;
    group.bytes += bytes;
    this.#messages++;
    this.#bytes += bytes;
    this.#running ??= this.#run();
    return group.stored;
  }

  /** Since when the request that is outstanding is so, milliseconds of `performance.now()`. */
  outstandingSince: number | undefined;

  /**
   * From now on one request has so long to be acknowledged. Then all that waits is rejected and nothing more is taken:
   * whoever stops waits for its messages, and Kafka is waited for as long as it takes.
   */
  limit(timeoutMs: number): void {
    const begun = performance.now();
    const waiting = () => performance.now() - Math.max(begun, this.outstandingSince ?? performance.now());
    this.#watch ??= setInterval(() => waiting() > timeoutMs && this.#giveUp(), LOOK_MS).unref();
  }

  /** Sends what waits, within a time; what is not acknowledged by then is rejected. Takes nothing more. */
  async close(timeoutMs: number): Promise<void> {
    const late = new AbortController();
    const limit = (ms: number) => sleep(ms, false, { signal: late.signal }).catch(() => false);
    const sending = Promise.resolve(this.#running).then(() => true);
    const sent = await (this.#closed.signal.aborted ? false : Promise.race([sending, limit(timeoutMs)]));
    this.#giveUp();
    // A broker that does not take messages is not asked to say goodbye either.
    if (sent) await Promise.race([this.#producer?.disconnect().catch(() => {}), limit(GOODBYE_MS)]);
    late.abort();
  }

  #giveUp(): void {
    clearInterval(this.#watch);
    this.#closed.abort();
    const error = new ChannelCommitError(new Error("stopped before Kafka acknowledged it"));
    for (const group of [this.#outstanding, ...this.#groups.splice(0)]) group?.settle.reject(error);
  }

  #current(bytes: number): Group {
    const { requestMax, requestBytesMax } = this.#options;
    let group = this.#groups.at(-1);
    const alone = bytes > ALONE_BYTES || (group?.messages === 1 && group.bytes > ALONE_BYTES);
    if (!group || alone || group.messages >= requestMax || group.bytes + bytes > requestBytesMax) {
      group = emptyGroup();
      this.#groups.push(group);
    }
    return group;
  }

  async #run(): Promise<void> {
    // What this turn of the event loop publishes goes together.
    await new Promise(setImmediate);
    for (let group = this.#groups.shift(); group; group = this.#groups.shift()) {
      this.#outstanding = group;
      this.outstandingSince = performance.now();
      try {
        await this.#send(group);
        group.settle.resolve();
      } catch (error) {
        group.settle.reject(error);
      }
      this.outstandingSince = undefined;
      this.#outstanding = undefined;
      this.#messages -= group.messages;
      this.#bytes -= group.bytes;
    }
    this.#running = undefined;
  }

  /** @throws ChannelCommitError, ChannelPayloadError */
  async #send(group: Group): Promise<void> {
    let wanted: TopicMessages[] = Array.from(group.byTopic, ([topic, messages]) => ({ topic, messages }));
    try {
      for (const { topic, messages } of wanted) this.#place(messages, await this.#partitions(topic));
      this.#producer ??= await this.#host.newProducer();
      while (wanted.length > 0)
        wanted = missing(wanted, await this.#producer.sendBatch({ acks: -1, topicMessages: wanted }));
    } catch (cause) {
      if (group.messages === 1 && TOO_LARGE.includes(typeOf(cause)))
        throw new ChannelPayloadError("payload: is larger than Kafka takes", { cause });
      this.#host.failed(cause);
      // Its sequence numbers may be out of step: what it sends after this might be refused for ever.
      this.#producer?.disconnect().catch(() => {});
      this.#producer = undefined;
      throw new ChannelCommitError(cause);
    }
  }

  #partitions(topic: string): Promise<number> {
    const { partitions, failed } = this.#host;
    return insist(() => partitions(topic), this.#closed.signal, failed);
  }

  /** Chosen here, once: a client that chooses again when it tries again would send to another partition. */
  #place(messages: Message[], partitions: number): void {
    const keyless = this.#turn++ % partitions;
    for (const message of messages)
      message.partition = message.key === null ? keyless : partitionOf(message.key as string, partitions);
  }
}

const typeOf = (error: unknown): string => {
  const { type, cause } = (error ?? {}) as { type?: string; cause?: unknown };
  return type ?? (cause === undefined || cause === error ? "" : typeOf(cause));
};

/**
 * What an answer leaves out. When a partition moves to a broker that has already answered, kafkajs takes its messages
 * for sent, and would have them acknowledged though nobody holds them.
 */
export function missing(sent: readonly TopicMessages[], stored: readonly RecordMetadata[]): TopicMessages[] {
  const held = new Set(stored.map(({ topicName, partition }) => `${topicName}:${partition}`));
  return sent
    .map(({ topic, messages }) => ({
      topic,
      messages: messages.filter(({ partition }) => !held.has(`${topic}:${partition}`)),
    }))
    .filter(({ messages }) => messages.length > 0);
}
