import type { ChannelLog } from "./channel-log.ts";
import type { GroupState } from "./consumer-groups.ts";
import { GroupActiveError, GroupNotFoundError } from "./errors.ts";
import type { SeekTarget } from "./facts-admin.ts";
import type { SqliteSession } from "./sqlite-session.ts";

/** What an operator may do to one group of one channel. */
export class GroupAdmin {
  readonly log: ChannelLog;
  readonly group: string;
  #channel: string;
  #session: SqliteSession;

  /** `channel` is the name to show; `stored` is the one with prefix. @throws GroupNotFoundError */
  constructor(session: SqliteSession, channel: string, stored: string, group: string) {
    const log = session.file.channels().find(({ name }) => name === stored);
    if (!log || !session.groups.find(log.id, group)) throw new GroupNotFoundError(channel, group);
    this.#session = session;
    this.log = log;
    this.group = group;
    this.#channel = channel;
  }

  get position(): number {
    return this.#state.next;
  }

  get lag(): number {
    return this.log.end() - Math.max(this.#state.next, this.log.first());
  }

  /** Moves the position durably, and voids what was begun before. @throws RangeError naming the field that is wrong. */
  async seek(target: SeekTarget): Promise<void> {
    const { log, group } = this;
    const { commits, groups } = this.#session;
    const [field, wanted] = "time" in target ? ["time", target.time.getTime()] : ["position", target.position];
    if (typeof wanted !== "number" || !Number.isSafeInteger(wanted))
      throw new RangeError(`${field}: must be ${field === "time" ? "a valid date" : "an integer"}`);
    await commits.update(() => {
      const position = field === "time" ? log.positionAt(wanted) : wanted;
      groups.move(log.id, group, Math.min(Math.max(position, log.first()), log.end()));
    });
  }

  /** @throws GroupActiveError */
  async forget(): Promise<void> {
    const { owner, expires } = this.#state;
    const { commits, groups, lock } = this.#session;
    if (owner !== null && expires > Date.now() && lock.isAlive(owner))
      throw new GroupActiveError(this.#channel, this.group);
    await commits.update(() => groups.forget(this.log.id, this.group));
  }

  get #state(): GroupState {
    const state = this.#session.groups.find(this.log.id, this.group);
    if (!state) throw new GroupNotFoundError(this.#channel, this.group);
    return state;
  }
}
