import type { ChannelFile } from "./channel-file.ts";
import type { ChannelLog } from "./channel-log.ts";
import { ChannelCommitError, ChannelFullError, ChannelNotConnectedError, ChannelPayloadError } from "./errors.ts";

export interface GroupCommitOptions {
  /** Messages of one transaction at most: bounds how long a commit holds up the event loop. @default 2000 */
  groupMax?: number;
  /** Messages waiting for their commit at most. @default 20000 */
  pendingMax?: number;
  /** Characters of payload waiting for their commit at most. @default 67108864 */
  pendingCharsMax?: number;
}

/** What is committed at once. All its messages share one promise: a promise each would cost more than the append. */
interface Group {
  messages: number;
  chars: number;
  /** Flat lists as `ChannelLog.append` takes them. */
  appends: Map<ChannelLog, (string | null)[]>;
  updates: (() => void)[];
  committed: Promise<void>;
  settle: { resolve(): void; reject(error: unknown): void };
}

function emptyGroup(): Group {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { messages: 0, chars: 0, appends: new Map(), updates: [], committed: promise, settle: { resolve, reject } };
}

/** Collects what one turn of the event loop writes and commits it at once: one fsync for all. */
export class GroupCommit {
  #file: ChannelFile;
  #options: Required<GroupCommitOptions>;
  #onCommitted: (logs: Iterable<ChannelLog>) => void;
  #onFailed: (error: unknown) => void;
  #groups: Group[] = [];
  #messages = 0;
  #chars = 0;
  #immediate: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(
    file: ChannelFile,
    options: GroupCommitOptions,
    onCommitted: (logs: Iterable<ChannelLog>) => void,
    onFailed: (error: unknown) => void = () => {},
  ) {
    this.#file = file;
    this.#options = {
      groupMax: options.groupMax ?? 2000,
      pendingMax: options.pendingMax ?? 20_000,
      pendingCharsMax: options.pendingCharsMax ?? 67_108_864,
    };
    this.#onCommitted = onCommitted;
    this.#onFailed = onFailed;
  }

  /**
   * The characters of what is to come don't count: a large message would never find room.
   *
   * @throws ChannelFullError; ChannelPayloadError for more messages than there can ever be room for.
   */
  checkRoom(messages: number): void {
    const { pendingMax, pendingCharsMax } = this.#options;
    if (messages > pendingMax)
      throw new ChannelPayloadError(`${messages} messages at once, at most ${pendingMax} may wait for their commit`);
    if (this.#messages + messages > pendingMax || this.#chars >= pendingCharsMax)
      throw new ChannelFullError(this.#messages);
  }

  /** Resolves with the commit. Whoever calls has checked that there is room. */
  append(
    log: ChannelLog,
    key: string | undefined,
    headers: Record<string, string> | undefined,
    value: string,
  ): Promise<void> {
    if (this.#closed) return Promise.reject(new ChannelNotConnectedError());
    const group = this.#current();
    let flat = group.appends.get(log);
    if (!flat) {
      flat = [];
      group.appends.set(log, flat);
    }
    flat.push(key ?? null, headers === undefined ? null : JSON.stringify(headers), value);
    group.messages++;
    group.chars += value.length;
    this.#messages++;
    this.#chars += value.length;
    return group.committed;
  }

  /**
   * Runs another write in the next transaction; its promise settles with the commit. What it throws fails the
   * transaction, and with it all that would have been committed at once.
   *
   * @param chars given: the write is a message of so many characters, and counts as one that waits.
   */
  async update<T>(write: () => T, chars?: number): Promise<T> {
    if (this.#closed) throw new ChannelNotConnectedError();
    const group = this.#current();
    if (chars !== undefined) {
      group.messages++;
      group.chars += chars;
      this.#messages++;
      this.#chars += chars;
    }
    let result: T | undefined;
    group.updates.push(() => {
      result = write();
    });
    await group.committed;
    return result as T;
  }

  /** Commits all that waits and takes nothing more. After a failure the rest is rejected, not tried: this must end. */
  close(): void {
    this.#closed = true;
    clearImmediate(this.#immediate);
    let failure: unknown;
    for (const group of this.#groups.splice(0)) {
      if (failure) group.settle.reject(failure);
      else failure = this.#commit(group);
    }
  }

  #current(): Group {
    let group = this.#groups.at(-1);
    if (!group || group.messages >= this.#options.groupMax) {
      group = emptyGroup();
      this.#groups.push(group);
      this.#immediate ??= setImmediate(this.#flush);
    }
    return group;
  }

  #flush = (): void => {
    this.#immediate = undefined;
    const group = this.#groups.shift();
    if (this.#groups.length > 0) this.#immediate = setImmediate(this.#flush);
    if (group) this.#commit(group);
  };

  #commit(group: Group): unknown {
    this.#messages -= group.messages;
    this.#chars -= group.chars;
    try {
      this.#file.transaction(() => {
        const now = Date.now();
        for (const [log, flat] of group.appends) log.append(flat, now);
        for (const update of group.updates) update();
      });
    } catch (cause) {
      const error = new ChannelCommitError(cause);
      this.#onFailed(cause);
      group.settle.reject(error);
      return error;
    }
    group.settle.resolve();
    this.#onCommitted(group.appends.keys());
    return undefined;
  }
}
