import type { StatementSync } from "node:sqlite";
import type { LogFile } from "./log-file.ts";

/** A group's row: where it goes on, and who may take its messages until when. */
export interface GroupState {
  /** Position of the next message to take. */
  next: number;
  /** Grows with each seek: what was begun before it may not be committed after it. */
  generation: number;
  owner: string | null;
  /** End of the owner's lease, milliseconds since 1970. */
  expires: number;
}

/** The committed positions and the leases of all groups. */
export class ConsumerGroups {
  #find: StatementSync;
  #create: StatementSync;
  #advance: StatementSync;
  #move: StatementSync;
  #acquire: StatementSync;
  #renew: StatementSync;
  #release: StatementSync;
  #forget: StatementSync;
  #floor: StatementSync;
  #all: StatementSync;

  constructor({ db }: LogFile) {
    const row = "channel=? AND name=?";
    this.#find = db.prepare(`SELECT next, generation, owner, expires FROM consumer_group WHERE ${row}`);
    this.#create = db.prepare("INSERT INTO consumer_group(channel, name, next) VALUES(?,?,?) ON CONFLICT DO NOTHING");
    this.#advance = db.prepare(`UPDATE consumer_group SET next=?, expires=? WHERE ${row} AND owner=? AND generation=?`);
    this.#move = db.prepare(`UPDATE consumer_group SET next=?, generation=generation+1 WHERE ${row}`);
    this.#acquire = db.prepare(
      `UPDATE consumer_group SET owner=?, expires=? WHERE ${row} AND owner IS ? AND expires=?`,
    );
    this.#renew = db.prepare(`UPDATE consumer_group SET expires=? WHERE ${row} AND owner=?`);
    this.#release = db.prepare(`UPDATE consumer_group SET owner=NULL, expires=0 WHERE ${row} AND owner=?`);
    this.#forget = db.prepare(`DELETE FROM consumer_group WHERE ${row}`);
    this.#floor = db.prepare("SELECT min(next) AS next FROM consumer_group WHERE channel=?");
    this.#all = db.prepare("SELECT channel, name, next FROM consumer_group");
  }

  /** Every group that is known. */
  all(): { channel: number; name: string; next: number }[] {
    return this.#all.all() as unknown as { channel: number; name: string; next: number }[];
  }

  find(channel: number, group: string): GroupState | undefined {
    // The columns are typed by the STRICT table.
    return this.#find.get(channel, group) as unknown as GroupState | undefined;
  }

  /** Makes a new group known; one that is known keeps its position. */
  create(channel: number, group: string, next: number): void {
    this.#create.run(channel, group, next);
  }

  /** Commits a position and renews the lease; false when the lease or the generation is another one by now. */
  advance(channel: number, group: string, next: number, owner: string, generation: number, expires: number): boolean {
    return this.#advance.run(next, expires, channel, group, owner, generation).changes === 1;
  }

  /** Moves a group's position whoever owns it; false when there is no such group. */
  move(channel: number, group: string, next: number): boolean {
    return this.#move.run(next, channel, group).changes === 1;
  }

  /** Takes the lease from the state that was read; false when somebody else was quicker. */
  acquire(channel: number, group: string, from: GroupState, owner: string, expires: number): boolean {
    return this.#acquire.run(owner, expires, channel, group, from.owner, from.expires).changes === 1;
  }

  renew(channel: number, group: string, owner: string, expires: number): void {
    this.#renew.run(expires, channel, group, owner);
  }

  release(channel: number, group: string, owner: string): void {
    this.#release.run(channel, group, owner);
  }

  /** Removes a group that will never come back; false when there is no such group. */
  forget(channel: number, group: string): boolean {
    return this.#forget.run(channel, group).changes === 1;
  }

  /** The position before which every known group has committed; undefined when the channel has no group. */
  floor(channel: number): number | undefined {
    const next = this.#floor.get(channel)?.["next"];
    return next === null || next === undefined ? undefined : Number(next);
  }
}
