import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Admin, Message, Producer, TopicMessages } from "kafkajs";
import { seekGroup } from "../channels/kafka/group-seek.ts";
import type { KafkaBrokers } from "../channels/kafka/kafka-brokers.ts";
import { KafkaClient } from "../channels/kafka/kafka-client.ts";
import { groupIdOf, KafkaGroups, lagOf } from "../channels/kafka/kafka-groups.ts";
import type { PartitionOffset } from "../channels/kafka/partition-offsets.ts";
import { missing } from "../channels/kafka/publish-queue.ts";
import { rawOf, textOf } from "../channels/kafka/record.ts";
import { type TopicOptions, Topics } from "../channels/kafka/topics.ts";
import { within } from "../channels/rabbitmq/within.ts";
import { type FactDigest, FactDigests } from "./fact-digests.ts";
import type { Placed } from "./facts-source.ts";
import { MigrationError } from "./migration-error.ts";

export interface FactsTargetOptions extends TopicOptions {
  where: KafkaBrokers;
  /** In messages. */
  target: string;
}

/** Without an answer for so long Kafka is given up, and the command with it. */
const ANSWER_MS = 30_000;
const GOODBYE_MS = 500;
/** A group that there is not: of a topic, only its ends are asked for. */
const ASKING = "migration";
const IDLE = ["Empty", "Dead"];

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Kafka, while no platform uses it. Every method throws MigrationError where Kafka does not answer. */
export class FactsTarget {
  readonly #client: KafkaClient;
  readonly #admin: Admin;
  readonly #topics: Topics;
  readonly #groups: KafkaGroups;
  readonly #target: string;
  #producer: Producer | undefined;

  static async open({ where, target, ...options }: FactsTargetOptions): Promise<FactsTarget> {
    const client = await KafkaClient.open(where, "ganglion-migration", silent);
    const admin = client.admin();
    try {
      await admin.connect();
    } catch (cause) {
      client.close();
      throw new MigrationError(`${target} cannot be used: ${(cause as Error).message}`, { cause });
    }
    return new FactsTarget(client, admin, target, options);
  }

  private constructor(client: KafkaClient, admin: Admin, target: string, options: TopicOptions) {
    this.#client = client;
    this.#admin = admin;
    this.#target = target;
    this.#topics = new Topics(admin, options);
    this.#groups = new KafkaGroups(admin);
  }

  /** @throws MigrationError where the topic has messages */
  async checkEmpty(topic: string): Promise<void> {
    await this.#asked(async () => {
      if (!(await this.#topics.exists(topic))) return;
      const offsets = await this.#groups.partitions(topic, ASKING);
      if (offsets.some(({ low, high }) => low !== high))
        throw new MigrationError(`${this.#target} is not empty: its topic ${topic} has messages`);
    });
  }

  /** @throws MigrationError where the group has a consumer */
  async checkIdle(topic: string, group: string): Promise<void> {
    await this.#asked(async () => {
      const { groups } = await this.#admin.describeGroups([groupIdOf(topic, group)]);
      if (groups.some(({ state }) => !IDLE.includes(state)))
        throw new MigrationError(`${this.#target} is in use: group ${group} consumes ${topic}; stop that platform`);
    });
  }

  /** Offset of the next message of each partition; the topic is made where it is missing. */
  async ends(topic: string): Promise<number[]> {
    return this.#asked(async () => {
      const partitions = await this.#topics.partitions(topic);
      const offsets = await this.#groups.partitions(topic, ASKING);
      const byPartition = new Map(offsets.map(({ partition, high }) => [partition, high]));
      return Array.from({ length: partitions }, (_, partition) => byPartition.get(partition) ?? 0);
    });
  }

  /** Resolves when every replica in sync has them. */
  async send(topic: string, facts: readonly Placed[]): Promise<void> {
    if (facts.length === 0) return;
    await this.#asked(async () => {
      this.#producer ??= await this.#connectProducer();
      let wanted: TopicMessages[] = [{ topic, messages: facts.map(messageOf) }];
      while (wanted.length > 0)
        wanted = missing(wanted, await this.#producer.sendBatch({ acks: -1, topicMessages: wanted }));
    });
  }

  /** Where the group goes on. */
  async place(topic: string, group: string, offsets: readonly PartitionOffset[]): Promise<void> {
    await this.#asked(() => seekGroup(this.#client, topic, groupIdOf(topic, group), offsets, offsets.length));
  }

  /** Messages that the group has not committed. */
  async lag(topic: string, group: string): Promise<number> {
    return this.#asked(async () => lagOf(await this.#groups.partitions(topic, group)));
  }

  /** What each partition holds from an offset on. */
  async digests(topic: string, from: readonly number[]): Promise<FactDigest[]> {
    const digests = new FactDigests(from.length);
    const ends = await this.ends(topic);
    const unread = new Set([...ends.keys()].filter((partition) => (ends[partition] ?? 0) > (from[partition] ?? 0)));
    if (unread.size === 0) return digests.results();
    const groupId = groupIdOf(topic, `migration-${randomUUID()}`);
    const consumer = this.#client.consumer({ groupId, maxWaitTimeInMs: 100 });
    const read = Promise.withResolvers<void>();
    const late = setTimeout(() => read.reject(new Error(`nothing came for ${ANSWER_MS} ms`)), ANSWER_MS);
    consumer.on(consumer.events.CRASH, ({ payload }) => read.reject(payload.error));
    const run = async () => {
      await consumer.connect();
      await consumer.subscribe({ topic, fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatch: async ({ batch: { partition, messages } }) => {
          late.refresh();
          for (const message of messages) {
            if (Number(message.offset) < (from[partition] ?? 0)) continue;
            const { key, headers } = rawOf({ partition, message });
            digests.add(partition, key, headers, textOf({ partition, message }));
          }
          if (Number(messages.at(-1)?.offset ?? -1) + 1 >= (ends[partition] ?? 0)) unread.delete(partition);
          if (unread.size === 0) read.resolve();
        },
      });
    };
    try {
      run().catch(read.reject);
      await this.#asked(() => read.promise, Number.POSITIVE_INFINITY);
      return digests.results();
    } finally {
      clearTimeout(late);
      await Promise.race([consumer.disconnect().catch(() => {}), sleep(GOODBYE_MS)]);
      await this.#admin.deleteGroups([groupId]).catch(() => {});
    }
  }

  async close(): Promise<void> {
    const goodbye = Promise.allSettled([this.#producer?.disconnect(), this.#admin.disconnect()]);
    await Promise.race([goodbye, sleep(GOODBYE_MS)]);
    this.#client.close();
  }

  async #connectProducer(): Promise<Producer> {
    const producer = this.#client.producer();
    await producer.connect();
    return producer;
  }

  async #asked<T>(question: () => Promise<T>, ms = ANSWER_MS): Promise<T> {
    try {
      return await (Number.isFinite(ms) ? within(ms, "Kafka", question()) : question());
    } catch (error) {
      if (error instanceof MigrationError) throw error;
      throw new MigrationError(`${this.#target} does not answer: ${(error as Error).message}`, { cause: error });
    }
  }
}

const messageOf = ({ row: [, key, headers, value], partition }: Placed): Message => ({
  key,
  value,
  partition,
  ...(headers === null ? {} : { headers: JSON.parse(headers) as Record<string, string> }),
});
