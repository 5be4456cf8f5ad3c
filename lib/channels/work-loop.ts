import { setTimeout as sleep } from "node:timers/promises";
import { backOff } from "./back-off.ts";
import type { Channel } from "./base-adapter.ts";
import type { DeadCause } from "./dead-cause.ts";
import { ChannelPayloadError } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { WorkMessage } from "./message.ts";
import { type OutcomeRules, outcomeOf, undeliverable } from "./work-outcome.ts";
import type { WorkItem, WorkQueue } from "./work-queue.ts";

export interface WorkLoopOptions extends OutcomeRules {
  /** Items in work at once. */
  maxInFlight: number;
  leaseMs: number;
}

/** What a consumer of work needs of its adapter. */
export interface WorkHost {
  commits: GroupCommit;
  /** Hands an item to its handler and ends it. */
  processItem(item: ItemInWork): Promise<void>;
  /** Moves an item that the owner holds to the dead letters, at once; false when it is not the owner's any more. */
  bury(chan: Channel, item: WorkItem, owner: string, cause: DeadCause, error: unknown): Promise<boolean>;
  failed(chan: Channel, error: unknown, item: WorkItem): void;
  /** The item went to somebody else although its handler is not at its end. */
  superseded(chan: Channel, item: WorkItem): void;
  /** The engine failed; it is tried again after a while. */
  troubled(chan: Channel, error: unknown): void;
  active(chan: Channel, id: number, begins: boolean): void;
}

/** An item that was taken. */
export interface ItemInWork {
  /** Runs the handler. @throws what the handler throws */
  handle(): Promise<void>;
  /** Ends the item. @throws when it is not this consumer's any more. */
  done(): Promise<void>;
}

/** The lease went to somebody else: not an error, but nothing to end. */
class SupersededError extends Error {
  override name = "SupersededError";
}

/** Longest wait of one timer. */
const IDLE_MAX_MS = 60_000;

export const workMessageOf = (item: WorkItem): WorkMessage => ({
  position: item.id,
  key: item.key,
  headers: item.headers === null ? {} : JSON.parse(item.headers),
  timestamp: item.published,
  deliveries: item.deliveries,
});

/** One taker of a work channel in this process: takes what is due, works on several items at once, ends each alone. */
export class WorkLoop {
  readonly chan: Channel;
  readonly queue: WorkQueue;
  readonly owner: string;
  /** Settles when, after `stop`, no handler runs any more. */
  readonly ended: Promise<void>;
  #host: WorkHost;
  #options: WorkLoopOptions;
  #inWork = new Set<Promise<void>>();
  #stopped = new AbortController();
  #woken = Promise.withResolvers<void>();
  /** When due items were last looked for: one that became due since then is not waited for, but taken. */
  #lookedAt = 0;

  constructor(host: WorkHost, chan: Channel, queue: WorkQueue, owner: string, options: WorkLoopOptions) {
    this.#host = host;
    this.chan = chan;
    this.queue = queue;
    this.owner = owner;
    this.#options = options;
    this.ended = this.#run();
  }

  get busy(): boolean {
    return this.#inWork.size > 0;
  }

  /** There may be something to take. */
  wake(): void {
    this.#woken.resolve();
  }

  /** Handlers that run may end, and what they did is ended; nothing new begins. */
  stop(): void {
    this.#stopped.abort();
    this.wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    for (let failures = 0; !signal.aborted; ) {
      this.#woken = Promise.withResolvers<void>();
      try {
        const items = await this.#take();
        failures = 0;
        for (const item of items) this.#begin(item);
        if (items.length === 0) await this.#idle();
      } catch (error) {
        if (signal.aborted) break;
        this.#host.troubled(this.chan, error);
        await backOff(++failures, this.#options, signal).catch(() => {});
      }
    }
    await Promise.all(this.#inWork);
  }

  async #take(): Promise<WorkItem[]> {
    const room = this.#options.maxInFlight - this.#inWork.size;
    // Looked for first: a transaction that finds nothing would cost a flush of the disk.
    this.#lookedAt = Date.now();
    if (room <= 0 || !this.queue.hasDue(this.#lookedAt, this.owner)) return [];
    return this.#host.commits.update(() => {
      // Stopped since this was asked for: what is taken now would wait for nobody.
      if (this.#stopped.signal.aborted) return [];
      const now = Date.now();
      return this.queue.take(this.owner, room, now, now + this.#options.leaseMs);
    });
  }

  #begin(item: WorkItem): void {
    this.#host.active(this.chan, item.id, true);
    const work = this.#process(item)
      // What is left is that the consumer was stopped: the item goes back when all have ended.
      .catch(() => {})
      .finally(() => {
        this.#host.active(this.chan, item.id, false);
        this.#inWork.delete(work);
        this.wake();
      });
    this.#inWork.add(work);
  }

  async #process(item: WorkItem): Promise<void> {
    const cause = undeliverable(item, Date.now(), this.#options);
    if (cause) {
      const never = { ...item, deliveries: item.deliveries - 1 };
      return this.#bury(never, cause, undeliveredError(cause, never));
    }
    try {
      await this.#host.processItem({
        handle: () => this.#call(item),
        done: () => this.#hold(item, () => this.queue.remove(item, this.owner)),
      });
    } catch (error) {
      if (error instanceof SupersededError) return;
      if (this.#stopped.signal.aborted && (error as Error).name === "AbortError") return;
      await this.#failed(item, error);
    }
  }

  async #call(item: WorkItem): Promise<void> {
    await this.chan.handler(this.chan.text ? item.value : payloadOf(item), workMessageOf(item));
  }

  async #failed(item: WorkItem, error: unknown): Promise<void> {
    this.#host.failed(this.chan, error, item);
    const outcome = outcomeOf(error, item, this.#options);
    if ("dead" in outcome) return this.#bury(item, outcome.dead, error);
    const due = Date.now() + Math.round(outcome.retryMs);
    await this.#hold(item, () => this.queue.putBack(item, this.owner, due, outcome.counts)).catch(ignoreSuperseded);
  }

  /** Until it is written the item stays where it is. */
  async #bury(item: WorkItem, cause: DeadCause, error: unknown): Promise<void> {
    const buried = await this.#retrying(() => this.#host.bury(this.chan, item, this.owner, cause, error));
    if (!buried) this.#host.superseded(this.chan, item);
  }

  /** @throws SupersededError when the item is not this consumer's any more. */
  async #hold(item: WorkItem, write: () => boolean): Promise<void> {
    if (await this.#retrying(() => this.#host.commits.update(write))) return;
    this.#host.superseded(this.chan, item);
    throw new SupersededError();
  }

  /** Does it until it succeeds or the consumer is stopped; the item stays this consumer's meanwhile. */
  async #retrying<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#stopped;
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (error) {
        this.#host.troubled(this.chan, error);
      }
      await backOff(failures, this.#options, signal);
    }
  }

  /** Waits for `wake`, or until the next item becomes due. */
  async #idle(): Promise<void> {
    const full = this.#inWork.size >= this.#options.maxInFlight;
    const due = (full ? undefined : this.queue.nextDue(this.#lookedAt)) ?? Number.POSITIVE_INFINITY;
    const ended = new AbortController();
    const wait = Math.min(IDLE_MAX_MS, Math.max(1, due - Date.now()));
    const timer = sleep(wait, undefined, { ref: false, signal: ended.signal }).catch(() => {});
    await Promise.race([this.#woken.promise, timer]);
    ended.abort();
  }
}

function payloadOf(item: WorkItem): unknown {
  try {
    return JSON.parse(item.value);
  } catch {
    // Without its cause, which would carry the payload into the log.
    throw new ChannelPayloadError(`Item ${item.id} is not JSON.`);
  }
}

function ignoreSuperseded(error: unknown): void {
  if (!(error instanceof SupersededError)) throw error;
}

/** What a dead letter tells of an item that no handler refused. */
export function undeliveredError(
  cause: DeadCause,
  { deadline, deliveries }: Pick<WorkItem, "deadline" | "deliveries">,
): { message: string; type: string } {
  if (cause === "expired")
    return { message: `Its time was up at ${new Date(deadline ?? 0).toISOString()}.`, type: "ITEM_EXPIRED" };
  return { message: `None of ${deliveries} deliveries came to an end.`, type: "DELIVERY_LIMIT" };
}
