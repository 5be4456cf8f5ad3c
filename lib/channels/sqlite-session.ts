import { DiskTrouble, rewriteHeader } from "../disk-trouble.ts";
import { ChangePoll } from "./change-poll.ts";
import type { ChannelLog } from "./channel-log.ts";
import { ConsumerGroups } from "./consumer-groups.ts";
import { ChannelCommitError } from "./errors.ts";
import { GroupCommit, type GroupCommitOptions } from "./group-commit.ts";
import type { LogFile } from "./log-file.ts";
import { ProcessLock } from "./process-lock.ts";
import { Retention, type RetentionOptions } from "./retention.ts";

export interface SessionOptions extends GroupCommitOptions, RetentionOptions {
  /** How often messages of other processes are looked for, milliseconds. @default 100 */
  pollMs?: number;
  /** After this a consumer that hangs loses its group to another process, milliseconds. @default 15000 */
  leaseMs?: number;
}

export interface SessionEvents {
  committed(logs: Iterable<ChannelLog>): void;
  /** Another connection has committed something. */
  changedElsewhere(): void;
  renewLeases(): void;
  failed(doing: string, error: unknown): void;
}

/** All that exists of the engine between connect and disconnect. */
export class SqliteSession {
  readonly file: LogFile;
  readonly groups: ConsumerGroups;
  readonly commits: GroupCommit;
  readonly lock: ProcessLock;
  readonly retention: Retention;
  readonly leaseMs: number;
  readonly trouble: DiskTrouble;
  #poll: ChangePoll;
  #renewing: NodeJS.Timeout;

  constructor(file: LogFile, options: SessionOptions, events: SessionEvents) {
    const { pollMs = 100, leaseMs = 15_000 } = options;
    this.file = file;
    this.leaseMs = leaseMs;
    try {
      this.groups = new ConsumerGroups(file);
      this.lock = new ProcessLock(file.path);
      this.#poll = new ChangePoll(file, pollMs, events.changedElsewhere, (error) =>
        events.failed("looking for messages of other processes", error),
      );
    } catch (error) {
      file.close();
      throw error;
    }
    this.trouble = new DiskTrouble({
      engine: "facts channel",
      file: file.path,
      write: () => this.commits.update(() => rewriteHeader(file.db)),
    });
    this.commits = new GroupCommit(file, options, events.committed, (error) => this.trouble.report(error));
    this.retention = new Retention(file, this.groups, options, (error) =>
      events.failed("deleting old messages", error),
    );
    this.#renewing = setInterval(() => events.renewLeases(), leaseMs / 3).unref();
  }

  /** The log of a channel, created on first use. @throws ChannelCommitError */
  log(name: string): ChannelLog {
    try {
      return this.file.channel(name);
    } catch (error) {
      this.trouble.report(error);
      throw new ChannelCommitError(error);
    }
  }

  /** Commits what waits, and ends. */
  close(): void {
    this.#poll.stop();
    clearInterval(this.#renewing);
    this.retention.stop();
    this.trouble.close();
    this.commits.close();
    this.lock.release();
    this.file.close();
  }
}
