import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelLog } from "./channel-log.ts";
import type { ConsumerGroups } from "./consumer-groups.ts";
import type { LogFile } from "./log-file.ts";

export interface RetentionOptions {
  /** Age that a message reaches at least, milliseconds. @default Infinity: age deletes nothing */
  retentionMs?: number;
  /** Size of the file's content above which the oldest messages go, approximately. @default Infinity */
  retentionBytes?: number;
  /** How often old messages are looked for, milliseconds. @default 60000 */
  retentionIntervalMs?: number;
  /** Messages deleted in one transaction at most. @default 1000 */
  retentionChunk?: number;
}

/** Pause between two deletions, in which messages are published and consumed. */
const PAUSE_MS = 20;

/**
 * Deletes old messages. A message that a known group has not committed stays, however old it is, and so does every
 * message of a channel that no group has ever consumed (dead letters that nobody looked at): a group that will never
 * come back must be forgotten by an operator. The file does not shrink; its free pages are used again.
 */
export class Retention {
  #file: LogFile;
  #groups: ConsumerGroups;
  #options: Required<RetentionOptions>;
  #stopped = new AbortController();
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: LogFile, groups: ConsumerGroups, options: RetentionOptions, failed: (error: unknown) => void) {
    this.#file = file;
    this.#groups = groups;
    this.#options = {
      retentionMs: options.retentionMs ?? Number.POSITIVE_INFINITY,
      retentionBytes: options.retentionBytes ?? Number.POSITIVE_INFINITY,
      retentionIntervalMs: options.retentionIntervalMs ?? 60_000,
      retentionChunk: options.retentionChunk ?? 1000,
    };
    const { retentionMs, retentionBytes, retentionIntervalMs } = this.#options;
    if (retentionMs === Number.POSITIVE_INFINITY && retentionBytes === Number.POSITIVE_INFINITY) return;
    this.#timer = setInterval(() => void this.run().catch(failed), retentionIntervalMs).unref();
  }

  /** Deletes what may go now; one run at a time. */
  run(): Promise<void> {
    this.#running ??= this.#trim().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopped.abort();
  }

  async #trim(): Promise<void> {
    const { signal } = this.#stopped;
    const logs = this.#file.channels();
    const before = Date.now() - this.#options.retentionMs;
    for (const log of logs)
      while (!signal.aborted && this.#deleteChunk(log, before > 0 ? log.positionAt(before) : 0)) await this.#pause();
    while (!signal.aborted && this.#file.usedBytes() > this.#options.retentionBytes) {
      const oldestFirst = logs
        .filter((log) => this.#floor(log) > log.first())
        .sort((a, b) => (a.oldest() ?? 0) - (b.oldest() ?? 0));
      const [oldest] = oldestFirst;
      if (!oldest || this.#deleteChunk(oldest, oldest.end()) === 0) return;
      await this.#pause();
    }
  }

  /** Position before which messages may go; the newest one never does. */
  #floor(log: ChannelLog): number {
    return Math.min(this.#groups.floor(log.id) ?? 0, log.end() - 1);
  }

  #deleteChunk(log: ChannelLog, below: number): number {
    return this.#file.transaction(() => {
      const first = log.first();
      const limit = Math.min(below, this.#floor(log), first + this.#options.retentionChunk);
      return limit > first ? log.deleteBelow(limit) : 0;
    });
  }

  async #pause(): Promise<void> {
    await sleep(PAUSE_MS, undefined, { ref: false, signal: this.#stopped.signal }).catch(() => {});
  }
}
