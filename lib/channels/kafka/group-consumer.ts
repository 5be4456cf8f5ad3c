import { setTimeout as sleep } from "node:timers/promises";
import type { Consumer, EachBatchPayload } from "kafkajs";
import { backOff } from "../back-off.ts";
import type { Channel } from "../base-adapter.ts";
import { exclusiveAssigner } from "./exclusive-assigner.ts";
import { insist } from "./insist.ts";
import type { KafkaClient } from "./kafka-client.ts";
import { HEARTBEAT_MS, REBALANCE_MS, SESSION_MS } from "./membership.ts";
import { type BatchHost, type BatchOptions, PartitionBatch } from "./partition-batch.ts";
import type { PartitionOffset } from "./partition-offsets.ts";
import { batchEnd } from "./record.ts";

export interface GroupConsumerOptions extends BatchOptions {
  /** Messages of one batch at most. */
  batchSize: number;
  /** Bytes of payload of one batch; a single message may be larger. */
  batchBytesMax: number;
}

export interface GroupConsumerHost extends BatchHost {
  /** Delivers and commits a batch. */
  processBatch(batch: PartitionBatch): Promise<void>;
  active(chan: Channel, id: string, begins: boolean): void;
  /** Where the group begins in partitions that it never committed. */
  beginnings(): Promise<PartitionOffset[]>;
}

/** A fetch with nothing to bring returns after this; so long a stop may wait for it. */
const FETCH_MS = 500;
/** How long the end of a client is waited for: a broker that is away never answers. */
const DISCONNECT_MS = 1000;

/** One member of a group, in this process: one batch at a time, and back by itself after whatever ended it. */
export class GroupConsumer {
  readonly chan: Channel & { maxRetries: number };
  readonly groupId: string;
  /** Settles when it has ended after `stop`. */
  readonly ended: Promise<void>;
  readonly #client: KafkaClient;
  readonly #host: GroupConsumerHost;
  readonly #options: GroupConsumerOptions;
  readonly #stopped = new AbortController();
  #consumer: Consumer | undefined;
  #assigned: readonly number[] = [];
  #begun: Promise<void> = Promise.resolve();
  /** Partitions in which the group is known to have committed. */
  readonly #begunIn = new Set<number>();
  /** How often each partition was sent elsewhere: what was begun before is not committed after. */
  readonly #moves = new Map<number, number>();
  #running: { partition: number; interrupt: AbortController } | undefined;
  #idle: Promise<void> = Promise.resolve();
  #commits: Promise<unknown> = Promise.resolve();

  constructor(
    client: KafkaClient,
    host: GroupConsumerHost,
    chan: Channel & { maxRetries: number },
    groupId: string,
    options: GroupConsumerOptions,
  ) {
    this.#client = client;
    this.#host = host;
    this.chan = chan;
    this.groupId = groupId;
    this.#options = options;
    this.ended = this.#run();
  }

  /** The handler that runs may finish, and what it handled is committed; nothing new begins. */
  stop(): void {
    this.#stopped.abort();
    this.#running?.interrupt.abort();
  }

  /** Whether no other member has any of so many partitions. */
  holdsAll(partitions: number): boolean {
    return this.#assigned.length === partitions;
  }

  /** Goes on there after the current batch, and commits that. @throws where it has lost its partitions meanwhile */
  async seek(offsets: readonly PartitionOffset[]): Promise<void> {
    const consumer = this.#consumer;
    if (!consumer) throw new Error("the consumer is not running");
    await this.#oneByOne(async () => {
      for (const { partition, offset } of offsets) {
        this.#moves.set(partition, (this.#moves.get(partition) ?? 0) + 1);
        consumer.seek({ topic: this.chan.name, partition, offset: String(offset) });
      }
      await this.#write(consumer, offsets);
    });
    if (offsets.some(({ partition }) => partition === this.#running?.partition)) this.#running?.interrupt.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    for (let failures = 0; !signal.aborted; ) {
      const begun = performance.now();
      try {
        await this.#live();
      } catch (error) {
        if (!signal.aborted) this.#host.troubled(this.chan, error);
      }
      if (performance.now() - begun > 60_000) failures = 0;
      await backOff(++failures, this.#options, signal).catch(() => {});
    }
  }

  /** From one client to its crash, or to the stop. */
  async #live(): Promise<void> {
    const { signal } = this.#stopped;
    const consumer = this.#client.consumer({
      groupId: this.groupId,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      rebalanceTimeout: REBALANCE_MS,
      maxWaitTimeInMs: FETCH_MS,
      partitionAssigners: [exclusiveAssigner(this.#client.kafkajs, false)],
    });
    const crashed = Promise.withResolvers<never>();
    crashed.promise.catch(() => {});
    const running = Promise.withResolvers<void>();
    consumer.on(consumer.events.CRASH, ({ payload }) => crashed.reject(payload.error));
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      this.#assigned = payload.memberAssignment[this.chan.name] ?? [];
      this.#begun = running.promise.then(() => this.#begin(consumer, this.#assigned));
      this.#begun.catch(() => {});
    });
    const stopped = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    const lived = (async () => {
      await consumer.connect();
      await consumer.subscribe({ topic: this.chan.name, fromBeginning: true });
      this.#consumer = consumer;
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => {
          const work = this.#take(payload);
          this.#idle = work.catch(() => {});
          return work;
        },
      });
      running.resolve();
      await stopped;
    })();
    lived.catch(() => {});
    try {
      await Promise.race([lived, crashed.promise, stopped]);
    } finally {
      // What is handled has to be committed before the client stops, which commits nothing from then on; and no
      // other client may hand out what this one has in its handler.
      await this.#idle;
      this.#consumer = undefined;
      this.#assigned = [];
      running.reject(new Error("the consumer has ended"));
      running.promise.catch(() => {});
      const late = new AbortController();
      await Promise.race([
        consumer.disconnect().catch(() => {}),
        sleep(DISCONNECT_MS, undefined, { signal: late.signal }).catch(() => {}),
      ]);
      late.abort();
    }
  }

  /** Commits where the group begins, so that it is known from now on and goes on from there. */
  async #begin(consumer: Consumer, assigned: readonly number[]): Promise<void> {
    if (assigned.every((partition) => this.#begunIn.has(partition))) return;
    const { beginnings: asked, troubled } = this.#host;
    const all = await insist(asked, this.#stopped.signal, (error) => troubled(this.chan, error));
    const beginnings = all.filter(({ partition }) => assigned.includes(partition));
    for (const { partition, offset } of beginnings)
      consumer.seek({ topic: this.chan.name, partition, offset: String(offset) });
    if (beginnings.length > 0) await this.#oneByOne(() => this.#write(consumer, beginnings));
    for (const partition of assigned) this.#begunIn.add(partition);
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat, isRunning, isStale } = payload;
    const { topic, partition, messages } = batch;
    const { batchBytesMax } = this.#options;
    const batchSize = this.chan.batch ? this.#options.batchSize : 1;
    await this.#begun;
    for (let at = 0; at < messages.length; ) {
      if (this.#stopped.signal.aborted || !isRunning() || isStale()) return;
      const taken = messages.slice(at, batchEnd(messages, at, batchSize, batchBytesMax));
      at += taken.length;
      const interrupt = new AbortController();
      let over: unknown;
      const move = this.#moves.get(partition);
      const part = new PartitionBatch(
        this.#host,
        {
          signal: interrupt.signal,
          heartbeat,
          lost: (error) => {
            over ??= error;
            interrupt.abort();
          },
          commit: (offset) =>
            this.#oneByOne(async () => {
              if (this.#moves.get(partition) !== move) return interrupt.abort();
              const partitions = [{ partition, offset: String(offset) }];
              await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
            }),
        },
        this.chan,
        taken.map((message) => ({ partition, message })),
        this.#options,
      );
      const id = `${partition}:${taken[0]?.offset}`;
      this.#running = { partition, interrupt };
      this.#host.active(this.chan, id, true);
      try {
        await this.#host.processBatch(part);
      } catch (error) {
        // Stopped, or sent elsewhere: it comes again.
        if (interrupt.signal.aborted && over === undefined) return;
        throw over ?? error;
      } finally {
        this.#running = undefined;
        this.#host.active(this.chan, id, false);
      }
      if (this.#moves.get(partition) !== move) return;
      resolveOffset(taken.at(-1)?.offset as string);
      if (over !== undefined) throw over;
      await heartbeat();
    }
  }

  async #write(consumer: Consumer, offsets: readonly PartitionOffset[]): Promise<void> {
    const topic = this.chan.name;
    await consumer.commitOffsets(
      offsets.map(({ partition, offset }) => ({ topic, partition, offset: String(offset) })),
    );
  }

  #oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#commits.then(work);
    this.#commits = result.catch(() => {});
    return result;
  }
}
