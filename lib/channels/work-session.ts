import { DiskTrouble, rewriteHeader } from "../disk-trouble.ts";
import { ChangePoll } from "./change-poll.ts";
import { ChannelCommitError } from "./errors.ts";
import { GroupCommit, type GroupCommitOptions } from "./group-commit.ts";
import { ProcessLock } from "./process-lock.ts";
import type { ExpiredItem, WorkFile } from "./work-file.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface WorkSessionOptions extends GroupCommitOptions {
  /** How often items of other processes are looked for, milliseconds. @default 100 */
  pollMs?: number;
  /** After this an item whose process hangs goes to another taker, milliseconds. @default 30000 */
  leaseMs?: number;
  /** How often expired items and the items of dead processes are looked for, milliseconds. @default 1000 */
  sweepMs?: number;
}

export interface WorkEvents {
  /** There may be something to take. */
  changed(): void;
  renewLeases(): void;
  /** Time is up for an item that nobody has taken. */
  expired(item: ExpiredItem): Promise<void>;
  failed(doing: string, error: unknown): void;
}

/** Expired items that one sweep moves between two turns of the event loop. */
const EXPIRED_AT_ONCE = 100;

/** All that exists of the engine between connect and disconnect. */
export class WorkSession {
  readonly file: WorkFile;
  readonly commits: GroupCommit;
  readonly lock: ProcessLock;
  readonly leaseMs: number;
  readonly trouble: DiskTrouble;
  #events: WorkEvents;
  #poll: ChangePoll;
  #timers: NodeJS.Timeout[];
  #sweeping = false;
  #closed = false;

  constructor(file: WorkFile, options: WorkSessionOptions, events: WorkEvents) {
    const { pollMs = 100, leaseMs = 30_000, sweepMs = 1000 } = options;
    this.file = file;
    this.leaseMs = leaseMs;
    this.#events = events;
    try {
      this.lock = new ProcessLock(file.path);
      this.#poll = new ChangePoll(file, pollMs, events.changed, (error) =>
        events.failed("looking for items of other processes", error),
      );
    } catch (error) {
      file.close();
      throw error;
    }
    this.trouble = new DiskTrouble({
      engine: "work channel",
      file: file.path,
      write: () => this.commits.update(() => rewriteHeader(file.db)),
    });
    this.commits = new GroupCommit(
      file,
      options,
      () => {},
      (error) => this.trouble.report(error),
    );
    this.#timers = [
      setInterval(() => void this.sweep(), sweepMs).unref(),
      setInterval(() => events.renewLeases(), leaseMs / 3).unref(),
    ];
  }

  /** The items of a channel, created on first use. @throws ChannelCommitError */
  queue(name: string): WorkQueue {
    try {
      return this.file.queue(name);
    } catch (error) {
      this.trouble.report(error);
      throw new ChannelCommitError(error);
    }
  }

  /** Frees what dead processes held, and puts aside what has expired. One sweep at a time. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      await this.#freeTheDeads();
      await this.#expire();
    } catch (error) {
      if (!this.#closed) this.#events.failed("looking for expired items", error);
    } finally {
      this.#sweeping = false;
    }
  }

  /** Commits what waits, and ends. */
  close(): void {
    this.#closed = true;
    this.#poll.stop();
    for (const timer of this.#timers) clearInterval(timer);
    this.trouble.close();
    this.commits.close();
    this.lock.release();
    this.file.close();
  }

  async #freeTheDeads(): Promise<void> {
    const dead = this.file.owners().filter((owner) => !this.lock.isAlive(owner));
    if (dead.length === 0) return;
    await this.commits.update(() => {
      for (const owner of dead) this.file.release(owner, Date.now());
    });
    this.#events.changed();
  }

  async #expire(): Promise<void> {
    for (let items: ExpiredItem[]; !this.#closed; ) {
      items = this.file.expired(Date.now(), EXPIRED_AT_ONCE);
      await Promise.all(items.map((item) => this.#events.expired(item)));
      if (items.length < EXPIRED_AT_ONCE) return;
    }
  }
}
