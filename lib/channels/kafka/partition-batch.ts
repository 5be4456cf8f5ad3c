import { backOff } from "../back-off.ts";
import type { Channel } from "../base-adapter.ts";
import { deliver } from "../delivery.ts";
import { HEARTBEAT_MS, isOver } from "./membership.ts";
import { isForAnother, type PartitionRecord, payloadOf, rawOf, textOf } from "./record.ts";

export interface BatchOptions {
  retryMs: number;
  retryMaxMs: number;
}

/** What a batch needs of its adapter. */
export interface BatchHost {
  writeDeadLetter(chan: Channel, record: PartitionRecord, error: unknown, attempts: number): Promise<void>;
  failed(chan: Channel, error: unknown, failures: number, first: PartitionRecord, messages: number): void;
  troubled(chan: Channel, error: unknown): void;
}

/** What a batch needs of its consumer. */
export interface BatchHold {
  /** Aborted when the consumer stops, is sent elsewhere, or has lost its partitions. */
  signal: AbortSignal;
  /** Tells the group that this consumer lives. */
  heartbeat(): Promise<void>;
  /** Commits that the partition goes on there. @throws where the partition is no longer this consumer's */
  commit(offset: number): Promise<void>;
  /** Called with an error that ends the hold; aborts `signal`. */
  lost(error: unknown): void;
}

/** Messages of one partition that were taken together and are committed together. */
export class PartitionBatch {
  readonly #host: BatchHost;
  readonly #hold: BatchHold;
  /** Whose batch it is. */
  readonly chan: Channel & { maxRetries: number };
  readonly #options: BatchOptions;
  /** Those that are this group's. */
  readonly messages: readonly PartitionRecord[];
  readonly #next: number;

  constructor(
    host: BatchHost,
    hold: BatchHold,
    chan: Channel & { maxRetries: number },
    taken: readonly PartitionRecord[],
    options: BatchOptions,
  ) {
    this.#host = host;
    this.#hold = hold;
    this.chan = chan;
    this.#options = options;
    this.messages = taken.filter(({ message }) => !isForAnother(message, chan.group));
    this.#next = nextOf(taken.at(-1));
  }

  /** Resolves when every message has been handled or put aside; the group waits meanwhile, however long it takes. */
  async deliver(): Promise<void> {
    if (this.messages.length === 0) return;
    const chan = this.chan;
    const { signal, lost } = this.#hold;
    const beating = setInterval(() => {
      // Where Kafka is away it is told again; a connection that breaks is no loss of the partition.
      this.#hold.heartbeat().catch((error) => isOver(error) && lost(error));
    }, HEARTBEAT_MS).unref();
    try {
      await deliver<PartitionRecord>(
        {
          ...this.#options,
          signal,
          maxRetries: chan.maxRetries,
          call: (records) => this.#call(records),
          checkOwned: () => signal.throwIfAborted(),
          poison: async (record, error, attempts) => {
            await this.#retrying(() => this.#host.writeDeadLetter(chan, record, error, attempts));
            // All before it is done too: after a crash the dead letter is not written again.
            await this.#commit(nextOf(record));
          },
          failed: (error, failures, records) =>
            this.#host.failed(chan, error, failures, records[0] as PartitionRecord, records.length),
        },
        this.messages,
      );
    } finally {
      clearInterval(beating);
    }
  }

  /** Commits the group's position behind the batch. */
  commit(): Promise<void> {
    return this.#commit(this.#next);
  }

  #commit(offset: number): Promise<void> {
    return this.#retrying(() => this.#hold.commit(offset));
  }

  async #call(records: readonly PartitionRecord[]): Promise<void> {
    const [first] = records;
    const { handler, text, batch } = this.chan;
    const payload = text ? textOf : payloadOf;
    if (batch) await handler(records.map(payload), records.map(rawOf));
    else if (first) await handler(payload(first), rawOf(first));
  }

  /** Does it until it succeeds, or the partition is another's. */
  async #retrying(work: () => Promise<void>): Promise<void> {
    const { signal, lost } = this.#hold;
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (error) {
        if (isOver(error)) lost(error);
        signal.throwIfAborted();
        this.#host.troubled(this.chan, error);
      }
      await backOff(failures, this.#options, signal);
    }
  }
}

const nextOf = (record: PartitionRecord | undefined): number => Number(record?.message.offset) + 1;
