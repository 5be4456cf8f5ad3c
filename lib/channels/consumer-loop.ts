import { type BackOffOptions, backOff } from "./back-off.ts";
import type { Channel } from "./base-adapter.ts";
import type { ChannelLog, Row } from "./channel-log.ts";
import type { ConsumerGroups, GroupState } from "./consumer-groups.ts";
import { deliver } from "./delivery.ts";
import { ChannelPayloadError } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { RawMessage } from "./message.ts";
import { isForAnotherGroup } from "./redrive.ts";

export interface ConsumerOptions extends BackOffOptions {
  /** Messages of one batch at most. */
  batchSize: number;
  /** Characters of payload of one batch, approximately: from the size of the messages before. */
  batchCharsMax: number;
  leaseMs: number;
}

/** What a consumer needs of its adapter. */
export interface ConsumerHost {
  groups: ConsumerGroups;
  commits: GroupCommit;
  /** Delivers and commits a batch. */
  processBatch(batch: Batch): Promise<void>;
  writeDeadLetter(chan: Channel, row: Row, error: unknown, attempts: number): Promise<void>;
  failed(chan: Channel, error: unknown, failures: number, first: Row, messages: number): void;
  /** Whether the holder of a lease is another one that still lives. */
  isAlive(owner: string): boolean;
  /** The loop itself failed and will go on after a while. */
  troubled(chan: Channel, error: unknown): void;
  active(chan: Channel, id: number, begins: boolean): void;
}

/** Messages that were taken together and are committed together. */
export interface Batch {
  messages: readonly Row[];
  /** Resolves when every message has been handled or put aside. */
  deliver(): Promise<void>;
  /** Commits the group's position behind the batch. @throws when the batch is not this consumer's any more. */
  commit(): Promise<void>;
}

/** The lease went to another process, or the group was sent to another position: not an error, but nothing to commit. */
class SupersededError extends Error {
  override name = "SupersededError";
}

/** Messages read at first, before their size is known. */
const FIRST_READ = 50;

export const headersOf = (row: Row): Record<string, string> => (row[2] === null ? {} : JSON.parse(row[2]));
export const rawOf = (row: Row): RawMessage => ({
  position: row[0],
  key: row[1],
  headers: headersOf(row),
  timestamp: row[4],
});

const textOf = (row: Row): string => row[3];

function payloadOf(row: Row): unknown {
  try {
    return JSON.parse(row[3]);
  } catch {
    // Without its cause, which would carry the payload into the log.
    throw new ChannelPayloadError(`Message ${row[0]} is not JSON.`);
  }
}

/** The one taker of a (channel, group) in this process: reads, delivers and commits in order, one batch at a time. */
export class ConsumerLoop {
  readonly chan: Channel & { maxRetries: number };
  readonly log: ChannelLog;
  readonly owner: string;
  /** Whether this consumer holds the group's lease, as far as it knows. */
  leased = false;
  /** Settles when the loop has ended after `stop`. */
  readonly ended: Promise<void>;
  #host: ConsumerHost;
  #options: ConsumerOptions;
  #stopping = false;
  #interrupt = new AbortController();
  #wake: () => void = () => {};
  #charsEach = 0;

  constructor(
    host: ConsumerHost,
    chan: Channel & { maxRetries: number },
    log: ChannelLog,
    owner: string,
    options: ConsumerOptions,
  ) {
    this.#host = host;
    this.chan = chan;
    this.log = log;
    this.owner = owner;
    this.#options = options;
    this.ended = this.#run();
  }

  /** There may be something to do: messages, a free lease, another position. */
  wake(): void {
    this.#wake();
  }

  /** Ends a wait between two attempts, because the group is to go on elsewhere. */
  interrupt(): void {
    this.#interrupt.abort();
    this.#wake();
  }

  /** The handler that runs may finish, and what it handled is committed; nothing new begins. */
  stop(): void {
    this.#stopping = true;
    this.interrupt();
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#stopping; ) {
      if (this.#interrupt.signal.aborted) this.#interrupt = new AbortController();
      const { signal } = this.#interrupt;
      try {
        await this.#step(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted || error instanceof SupersededError) continue;
        this.#host.troubled(this.chan, error);
        await backOff(++failures, this.#options, signal).catch(() => {});
      }
    }
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { groups } = this.#host;
    const state = groups.find(this.log.id, this.chan.group);
    // The group was removed while it ran: it begins anew.
    if (!state) return groups.create(this.log.id, this.chan.group, this.log.first());
    this.leased = state.owner === this.owner || this.#takeLease(state);
    if (!this.leased) return this.#idle(Math.min(1000, this.#options.leaseMs / 3));
    const rows = this.log.read(state.next, this.#limit());
    const first = rows[0];
    if (!first) return this.#idle();
    if (rows.length > 1 || this.#charsEach === 0) this.#measure(rows);
    this.#host.active(this.chan, first[0], true);
    try {
      await this.#host.processBatch(this.#batch(rows, state.generation, signal));
    } finally {
      this.#host.active(this.chan, first[0], false);
    }
  }

  #takeLease(state: GroupState): boolean {
    const now = Date.now();
    if (state.owner !== null && state.expires > now && this.#host.isAlive(state.owner)) return false;
    return this.#host.groups.acquire(this.log.id, this.chan.group, state, this.owner, now + this.#options.leaseMs);
  }

  #limit(): number {
    if (!this.chan.batch) return 1;
    const { batchSize, batchCharsMax } = this.#options;
    if (this.#charsEach === 0) return Math.min(batchSize, FIRST_READ);
    return Math.max(1, Math.min(batchSize, Math.floor(batchCharsMax / this.#charsEach)));
  }

  #measure(rows: readonly Row[]): void {
    let chars = 0;
    for (const row of rows) chars += row[3].length;
    this.#charsEach = Math.max(1, chars / rows.length);
  }

  #batch(taken: readonly Row[], generation: number, signal: AbortSignal): Batch {
    const host = this.#host;
    const commit = (row: Row) => this.#commit(row[0] + 1, generation, signal);
    const messages = taken.filter((row) => !isForAnotherGroup(row[2], this.chan.group));
    return {
      messages,
      commit: () => commit(taken.at(-1) as Row),
      deliver: async () => {
        if (messages.length === 0) return;
        await deliver<Row>(
          {
            ...this.#options,
            maxRetries: this.chan.maxRetries,
            signal,
            call: (rows) => this.#call(rows),
            checkOwned: () => this.#checkOwned(generation),
            poison: async (row, error, attempts) => {
              await this.#retrying(signal, () => host.writeDeadLetter(this.chan, row, error, attempts));
              // All before it is done too: after a crash the dead letter is not written again.
              await commit(row);
            },
            failed: (error, failures, rows) => host.failed(this.chan, error, failures, rows[0] as Row, rows.length),
          },
          messages,
        );
      },
    };
  }

  async #call(rows: readonly Row[]): Promise<void> {
    const [first] = rows;
    const payload = this.chan.text ? textOf : payloadOf;
    if (this.chan.batch) await this.chan.handler(rows.map(payload), rows.map(rawOf));
    else if (first) await this.chan.handler(payload(first), rawOf(first));
  }

  #checkOwned(generation: number): void {
    const state = this.#host.groups.find(this.log.id, this.chan.group);
    if (state?.owner !== this.owner || state.generation !== generation) throw new SupersededError();
  }

  async #commit(next: number, generation: number, signal: AbortSignal): Promise<void> {
    const { groups, commits } = this.#host;
    const { chan, log, owner } = this;
    const advance = () =>
      groups.advance(log.id, chan.group, next, owner, generation, Date.now() + this.#options.leaseMs);
    const advanced = await this.#retrying(signal, () => commits.update(advance));
    if (!advanced) throw new SupersededError();
  }

  /** Does it until it succeeds; the messages stay this consumer's meanwhile. */
  async #retrying<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        this.#host.troubled(this.chan, error);
      }
      await backOff(failures, this.#options, signal);
    }
  }

  /** Waits for `wake`, or for a time. */
  async #idle(ms?: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = ms === undefined ? undefined : setTimeout(resolve, ms).unref();
    await promise;
    clearTimeout(timer);
    this.#wake = () => {};
  }
}
