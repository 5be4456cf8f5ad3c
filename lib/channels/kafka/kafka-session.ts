import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "kafkajs";
import { insist } from "./insist.ts";
import type { KafkaBrokers } from "./kafka-brokers.ts";
import { KafkaClient } from "./kafka-client.ts";
import { KafkaGroups } from "./kafka-groups.ts";
import { KafkaPulse } from "./kafka-pulse.ts";
import { PublishQueue, type PublishQueueOptions } from "./publish-queue.ts";
import { type TopicOptions, Topics } from "./topics.ts";

export interface SessionOptions extends PublishQueueOptions, TopicOptions {
  where: KafkaBrokers;
}

type Log = Parameters<typeof KafkaClient.open>[2];

/** A publish that is not acknowledged for so long is trouble. */
const SLOW_MS = 5000;
const GOODBYE_MS = 500;

/** All that exists of the engine between connect and disconnect. */
export class KafkaSession {
  readonly client: KafkaClient;
  readonly topics: Topics;
  readonly groups: KafkaGroups;
  readonly queue: PublishQueue;
  readonly #admin: Admin;
  readonly #pulse: KafkaPulse;

  /**
   * Waits for Kafka as long as it takes, or until the signal is aborted.
   *
   * @throws Error where Kafka refuses us, or a file of TLS cannot be read.
   */
  static async open(options: SessionOptions, nodeID: string, logger: Log, signal: AbortSignal): Promise<KafkaSession> {
    const client = await KafkaClient.open(options.where, `ganglion-${nodeID}`, logger);
    const admin = client.admin();
    try {
      await insist(
        () => admin.connect(),
        signal,
        (error) => {
          if ((error as Error).name === "KafkaJSSASLAuthenticationError")
            throw new Error(`KAFKA_BROKERS: ${(error as Error).message}`, { cause: error });
          logger.warn("Kafka is awaited.", { brokers: options.where.brokers, error });
        },
      );
    } catch (error) {
      client.close();
      throw error;
    }
    return new KafkaSession(client, admin, options, logger);
  }

  private constructor(client: KafkaClient, admin: Admin, options: SessionOptions, logger: Log) {
    this.client = client;
    this.#admin = admin;
    this.topics = new Topics(admin, options);
    this.groups = new KafkaGroups(admin);
    this.#pulse = new KafkaPulse(admin);
    this.queue = new PublishQueue(
      {
        async newProducer() {
          const producer = client.producer();
          await producer.connect();
          return producer;
        },
        partitions: (topic) => this.topics.partitions(topic),
        failed: (error) => logger.warn("Kafka did not take messages.", { error }),
      },
      options,
    );
  }

  /** Why nothing can be published at present; undefined where it can. */
  get trouble(): string | undefined {
    if (this.#pulse.reason !== undefined) return `facts channel: Kafka does not answer: ${this.#pulse.reason}`;
    const waiting = performance.now() - (this.queue.outstandingSince ?? performance.now());
    return waiting > SLOW_MS ? "facts channel: Kafka does not acknowledge" : undefined;
  }

  /** Sends what waits within a time, and ends whatever the state. */
  async close(timeoutMs: number): Promise<void> {
    this.#pulse.stop();
    await this.queue.close(timeoutMs);
    const goodbye = this.#admin.disconnect().catch(() => {});
    await Promise.race([goodbye, sleep(GOODBYE_MS, undefined, { ref: false })]);
    this.client.close();
  }
}
