import type { SqliteSchema } from "../sqlite-schema.ts";
import { ChannelFile, type ChannelFileOptions } from "./channel-file.ts";
import { WorkQueue } from "./work-queue.ts";

/**
 * `due` is when an item may be taken: after its delay, or, while it is in work, when its lease ends. `fence` counts its
 * takings, so that whoever lost an item cannot end it. Triggers keep the depth, so that no count is ever forgotten.
 */
const TABLES = `
  CREATE TABLE channel(
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, depth INTEGER NOT NULL DEFAULT 0, consumer TEXT) STRICT;
  CREATE TABLE item(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel INTEGER NOT NULL,
    due INTEGER NOT NULL,
    published INTEGER NOT NULL,
    deadline INTEGER,
    deliveries INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    key TEXT,
    headers TEXT,
    value TEXT NOT NULL
  ) STRICT;
  CREATE INDEX item_due ON item(channel, due);
  CREATE INDEX item_owner ON item(owner) WHERE owner IS NOT NULL;
  CREATE INDEX item_deadline ON item(deadline) WHERE deadline IS NOT NULL;
  CREATE TRIGGER item_in AFTER INSERT ON item BEGIN
    UPDATE channel SET depth=depth+1 WHERE id=new.channel; END;
  CREATE TRIGGER item_out AFTER DELETE ON item BEGIN
    UPDATE channel SET depth=depth-1 WHERE id=old.channel; END;`;

const SCHEMA: SqliteSchema = {
  kind: "work channel",
  /** "GngW" */
  applicationId: 0x476e6757,
  unmarkedUntil: 1,
  steps: [
    (db) => db.exec(TABLES),
    // 2: the file has an application id.
    () => {},
  ],
};

/** An item whose time was up before anybody took it. */
export interface ExpiredItem {
  channel: string;
  id: number;
  fence: number;
}

/** The SQLite file that holds the items of every work channel. */
export class WorkFile extends ChannelFile {
  #queues = new Map<string, WorkQueue>();

  /** @throws Error naming the file when it cannot be opened, is something else, or was written by a newer version. */
  constructor(options: ChannelFileOptions) {
    super(options, SCHEMA);
  }

  /** The items of a channel, created on first use. Not inside a transaction. */
  queue(name: string): WorkQueue {
    let queue = this.#queues.get(name);
    if (!queue) {
      queue = new WorkQueue(this.db, this.#channelId(name), name);
      this.#queues.set(name, queue);
    }
    return queue;
  }

  /** The queues of all channels that were ever used. */
  queues(): WorkQueue[] {
    const rows = this.db.prepare("SELECT name FROM channel ORDER BY name").all();
    return rows.map((row) => this.queue(String(row["name"])));
  }

  /** Everybody who holds a lease. */
  owners(): string[] {
    const rows = this.db.prepare("SELECT DISTINCT owner FROM item WHERE owner IS NOT NULL").all();
    return rows.map((row) => String(row["owner"]));
  }

  /** Gives everything that somebody holds back, to be taken at once. */
  release(owner: string, now: number): void {
    this.db.prepare("UPDATE item SET owner=NULL, due=? WHERE owner=?").run(now, owner);
  }

  /** Lets everything that somebody holds be his until then. */
  renew(owner: string, until: number): void {
    this.db.prepare("UPDATE item SET due=? WHERE owner=?").run(until, owner);
  }

  /** Items that nobody holds and whose time is up, at most `limit`. */
  expired(now: number, limit: number): ExpiredItem[] {
    const rows = this.db
      .prepare(
        `SELECT channel.name AS channel, item.id, item.fence FROM item JOIN channel ON channel.id=item.channel
         WHERE item.deadline<=? AND item.owner IS NULL ORDER BY item.deadline LIMIT ?`,
      )
      .all(now, limit);
    return rows as unknown as ExpiredItem[]; // Typed by the STRICT tables.
  }

  #channelId(name: string): number {
    const find = this.db.prepare("SELECT id FROM channel WHERE name=?");
    const known = find.get(name)?.["id"];
    if (known !== undefined) return Number(known);
    return this.transaction(() => {
      this.db.prepare("INSERT INTO channel(name) VALUES(?) ON CONFLICT DO NOTHING").run(name);
      return Number(find.get(name)?.["id"]);
    });
  }
}
