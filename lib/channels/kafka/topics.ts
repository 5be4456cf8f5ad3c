import type { Admin } from "kafkajs";
import { isDeadChannel } from "../dead-cause.ts";

export interface TopicOptions {
  /** Partitions of a topic that is created; an existing one keeps its own. @default 6 */
  partitions?: number;
  /** Replicas of a topic that is created; -1 is the cluster's default. @default -1 */
  replicas?: number;
  /** How long messages are kept, milliseconds; dead letters are kept for ever. @default Infinity */
  retentionMs?: number;
  /** Longest payload, bytes. @default 8388608 */
  payloadBytesMax?: number;
}

/** Of a message beside its payload: key, headers, framing. */
const ENVELOPE_BYTES = 65_536;

/** The topics of the channels. Each is created where it is missing. */
export class Topics {
  readonly #admin: Admin;
  readonly #options: Required<TopicOptions>;
  readonly #partitions = new Map<string, Promise<number>>();

  constructor(admin: Admin, options: TopicOptions) {
    this.#admin = admin;
    this.#options = {
      partitions: options.partitions ?? 6,
      replicas: options.replicas ?? -1,
      retentionMs: options.retentionMs ?? Number.POSITIVE_INFINITY,
      payloadBytesMax: options.payloadBytesMax ?? 8_388_608,
    };
  }

  /** Number of a topic's partitions. It is asked for once: were it to grow, a key would change its partition. */
  partitions(topic: string): Promise<number> {
    let known = this.#partitions.get(topic);
    if (!known) {
      known = this.#ensure(topic);
      known.catch(() => this.#partitions.delete(topic));
      this.#partitions.set(topic, known);
    }
    return known;
  }

  async exists(topic: string): Promise<boolean> {
    return this.#partitions.has(topic) || (await this.#admin.listTopics()).includes(topic);
  }

  async #ensure(topic: string): Promise<number> {
    if (!(await this.#admin.listTopics()).includes(topic)) await this.#create(topic);
    const { topics } = await this.#admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions.length ?? 0;
  }

  async #create(topic: string): Promise<void> {
    const { partitions, replicas, retentionMs, payloadBytesMax } = this.#options;
    const dead = isDeadChannel(topic);
    const config = {
      "cleanup.policy": "delete",
      "retention.ms": dead || retentionMs === Number.POSITIVE_INFINITY ? "-1" : String(retentionMs),
      // The broker's clock: a replay from a time asks one clock, not that of each process.
      "message.timestamp.type": "LogAppendTime",
      "max.message.bytes": String(payloadBytesMax + ENVELOPE_BYTES),
    };
    // Another process may be quicker: then nothing is created, and that is well.
    await this.#admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: dead ? 1 : partitions,
          replicationFactor: replicas,
          configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
        },
      ],
    });
  }
}
