import type { DatabaseSync, StatementSync } from "node:sqlite";

/** An item as it is stored; times in milliseconds since 1970. */
export interface WorkItem {
  id: number;
  key: string | null;
  /** JSON text. */
  headers: string | null;
  /** JSON text. */
  value: string;
  published: number;
  deadline: number | null;
  /** Deliveries that count, this one included. */
  deliveries: number;
  /** Number of its taking; who holds another one has lost the item. */
  fence: number;
}

/** What is put into a queue. */
export interface NewItem {
  key: string | null;
  headers: string | null;
  value: string;
  due: number;
  deadline: number | null;
}

/** An item as another engine takes it over. */
export interface QueuedItem extends WorkItem {
  /** When it may be taken; of an item that was in work when its process died: when its lease ends. */
  due: number;
  owner: string | null;
}

const COLUMNS = "id, key, headers, value, published, deadline, deliveries, fence";
const HELD = "id=? AND owner=? AND fence=?";

/** The items of one channel. What changes something belongs into a transaction. */
export class WorkQueue {
  readonly id: number;
  readonly name: string;
  #insert: StatementSync;
  #depth: StatementSync;
  #due: StatementSync;
  #next: StatementSync;
  #take: StatementSync;
  #find: StatementSync;
  #remove: StatementSync;
  #putBack: StatementSync;
  #removeFree: StatementSync;
  #page: StatementSync;
  #consumer: StatementSync;
  #setConsumer: StatementSync;

  constructor(db: DatabaseSync, id: number, name: string) {
    this.id = id;
    this.name = name;
    this.#insert = db.prepare(
      "INSERT INTO item(channel, due, published, deadline, key, headers, value) VALUES(?,?,?,?,?,?,?)",
    );
    this.#depth = db.prepare("SELECT depth FROM channel WHERE id=?");
    this.#due = db.prepare("SELECT 1 FROM item WHERE channel=? AND due<=? AND owner IS NOT ? LIMIT 1");
    this.#next = db.prepare("SELECT min(due) AS due FROM item WHERE channel=? AND due>?");
    this.#take = db.prepare(
      `UPDATE item SET owner=?1, due=?2, deliveries=deliveries+1, fence=fence+1 WHERE id IN
         (SELECT id FROM item WHERE channel=?3 AND due<=?4 AND owner IS NOT ?1 ORDER BY due, id LIMIT ?5)
       RETURNING ${COLUMNS}`,
    );
    this.#find = db.prepare(`SELECT ${COLUMNS} FROM item WHERE id=? AND channel=?`);
    this.#remove = db.prepare(`DELETE FROM item WHERE ${HELD}`);
    this.#putBack = db.prepare(`UPDATE item SET owner=NULL, due=?, deliveries=deliveries-? WHERE ${HELD}`);
    this.#removeFree = db.prepare("DELETE FROM item WHERE id=? AND fence=? AND owner IS NULL");
    this.#page = db.prepare(`SELECT ${COLUMNS}, due, owner FROM item WHERE channel=? AND id>? ORDER BY id LIMIT ?`);
    this.#consumer = db.prepare("SELECT consumer FROM channel WHERE id=?");
    this.#setConsumer = db.prepare("UPDATE channel SET consumer=? WHERE id=?");
  }

  insert({ due, deadline, key, headers, value }: NewItem, now: number): void {
    this.#insert.run(this.id, due, now, deadline, key, headers, value);
  }

  /** Items that are not at their end: waiting, delayed and in work. */
  depth(): number {
    return Number(this.#depth.get(this.id)?.["depth"] ?? 0);
  }

  /** Whether there is an item to take that this owner does not have in work already. */
  hasDue(now: number, owner: string): boolean {
    return this.#due.get(this.id, now, owner) !== undefined;
  }

  /** When the next item becomes due, if any. */
  nextDue(now: number): number | undefined {
    const due = this.#next.get(this.id, now)?.["due"];
    return due === null || due === undefined ? undefined : Number(due);
  }

  /** Takes due items, the oldest first; an item whose lease has ended is due as well. */
  take(owner: string, limit: number, now: number, until: number): WorkItem[] {
    const rows = this.#take.all(owner, until, this.id, now, limit) as unknown as WorkItem[]; // Typed by the table.
    return rows.sort((a, b) => a.id - b.id);
  }

  find(id: number): WorkItem | undefined {
    return this.#find.get(id, this.id) as unknown as WorkItem | undefined;
  }

  /** Items behind one, in the order in which they came. */
  page(after: number, limit: number): QueuedItem[] {
    return this.#page.all(this.id, after, limit) as unknown as QueuedItem[];
  }

  /** False when the item is not this owner's any more. */
  remove({ id, fence }: WorkItem, owner: string): boolean {
    return this.#remove.run(id, owner, fence).changes === 1;
  }

  /** Removes an item that nobody holds; false when somebody was quicker. */
  removeFree({ id, fence }: Pick<WorkItem, "id" | "fence">): boolean {
    return this.#removeFree.run(id, fence).changes === 1;
  }

  /** Gives an item back, to be taken from `due` on; false when it is not this owner's any more. */
  putBack({ id, fence }: WorkItem, owner: string, due: number, counts: boolean): boolean {
    return this.#putBack.run(due, counts ? 0 : 1, id, owner, fence).changes === 1;
  }

  /** The group that consumes the channel, if one ever did. */
  consumer(): string | undefined {
    const consumer = this.#consumer.get(this.id)?.["consumer"];
    return typeof consumer === "string" ? consumer : undefined;
  }

  setConsumer(group: string): void {
    this.#setConsumer.run(group, this.id);
  }
}
