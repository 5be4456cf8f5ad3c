import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "kafkajs";
import { EngineUnavailableError, GroupActiveError, GroupNotFoundError } from "../errors.ts";
import type { SeekTarget } from "../facts-admin.ts";
import { offsetsOf, type PartitionOffset } from "./partition-offsets.ts";

/** What Kafka says of one partition for a group. */
export interface GroupPartition {
  partition: number;
  /** Of the oldest message kept. */
  low: number;
  /** Of the next message to come. */
  high: number;
  /** Where the group goes on; undefined where it never committed. */
  committed: number | undefined;
}

const TRIES_MAX = 5;
const TRY_AGAIN_MS = 200;
/** Kafka's groups are for one topic here: a group of two channels would pause in both whenever one has to. */
const SEPARATOR = ":";
export const groupIdOf = (topic: string, group: string): string => `${topic}${SEPARATOR}${group}`;

/** What Kafka knows of groups and topics. Every method throws EngineUnavailableError where Kafka is away. */
export class KafkaGroups {
  readonly #admin: Admin;

  constructor(admin: Admin) {
    this.#admin = admin;
  }

  async partitions(topic: string, group: string): Promise<GroupPartition[]> {
    return asked(async () => {
      const [offsets, committed] = await Promise.all([
        this.#admin.fetchTopicOffsets(topic),
        this.#admin.fetchOffsets({ groupId: groupIdOf(topic, group), topics: [topic] }),
      ]);
      const byPartition = new Map(committed[0]?.partitions.map(({ partition, offset }) => [partition, Number(offset)]));
      return offsets.map(({ partition, low, high }) => {
        const own = byPartition.get(partition) ?? -1;
        return { partition, low: Number(low), high: Number(high), committed: own < 0 ? undefined : own };
      });
    });
  }

  /** Every group of topics that begin with a prefix. */
  async all(prefix: string): Promise<{ topic: string; group: string }[]> {
    return asked(async () => {
      const { groups } = await this.#admin.listGroups();
      return groups.flatMap(({ groupId }) => {
        const at = groupId.indexOf(SEPARATOR);
        if (at < 0 || !groupId.startsWith(prefix)) return [];
        return [{ topic: groupId.slice(0, at), group: groupId.slice(at + 1) }];
      });
    });
  }

  /** Where the wanted place is in each partition; one that a position does not name is left out. */
  async offsetsAt(topic: string, known: readonly GroupPartition[], target: SeekTarget): Promise<PartitionOffset[]> {
    if ("time" in target) {
      const time = target.time.getTime();
      if (Number.isNaN(time)) throw new RangeError("time: must be a valid date");
      const found = await asked(() => this.#admin.fetchTopicOffsetsByTimestamp(topic, time));
      return found.map(({ partition, offset }) => ({ partition, offset: Number(offset) }));
    }
    return offsetsOf(target.position).map(({ partition, offset }) => {
      const place = known.find((one) => one.partition === partition);
      if (!place) throw new RangeError(`position: there is no partition ${partition}, the last is ${known.length - 1}`);
      return { partition, offset: Math.min(Math.max(offset, place.low), place.high) };
    });
  }

  /** @throws GroupActiveError, GroupNotFoundError */
  async forget(channel: string, topic: string, group: string): Promise<void> {
    try {
      await this.#admin.deleteGroups([groupIdOf(topic, group)]);
    } catch (error) {
      const { groups } = error as { groups?: { error?: { type?: string } }[] };
      const type = groups?.[0]?.error?.type;
      if (type === "NON_EMPTY_GROUP") throw new GroupActiveError(channel, group);
      if (type === "GROUP_ID_NOT_FOUND") throw new GroupNotFoundError(channel, group);
      throw away(error);
    }
  }
}

const away = (cause: unknown): EngineUnavailableError =>
  new EngineUnavailableError(`Kafka does not answer: ${(cause as Error).message}`, { cause });

/** What is retriable (a group that is being loaded, a new leader) is asked again a few times; kafkajs does not always. */
async function asked<T>(question: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await question();
    } catch (cause) {
      if (tries === TRIES_MAX || (cause as { retriable?: boolean }).retriable !== true) throw away(cause);
    }
    await sleep(TRY_AGAIN_MS);
  }
}

export const lagOf = (partitions: readonly GroupPartition[]): number =>
  partitions.reduce((sum, { low, high, committed }) => sum + high - Math.max(committed ?? low, low), 0);
