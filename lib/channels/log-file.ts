import type { SqliteSchema } from "../sqlite-schema.ts";
import { ChannelFile, type ChannelFileOptions } from "./channel-file.ts";
import { ChannelLog } from "./channel-log.ts";

/** Each channel has its own table `log_<id>`: its row id is the position, so that an append touches one B-tree only. */
const TABLES = `
  CREATE TABLE channel(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE consumer_group(
    channel INTEGER NOT NULL,
    name TEXT NOT NULL,
    next INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    expires INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, name)
  ) STRICT, WITHOUT ROWID;`;

const SCHEMA: SqliteSchema = {
  kind: "facts channel",
  /** "GngF" */
  applicationId: 0x476e6746,
  unmarkedUntil: 1,
  steps: [
    (db) => db.exec(TABLES),
    // 2: the file has an application id.
    () => {},
  ],
};

/** The SQLite file that holds every facts channel's log and every group's position. */
export class LogFile extends ChannelFile {
  #channels = new Map<string, ChannelLog>();

  /** @throws Error naming the file when it cannot be opened, is something else, or was written by a newer version. */
  constructor(options: ChannelFileOptions) {
    super(options, SCHEMA);
  }

  /** The log of a channel, created on first use. Not inside a transaction. */
  channel(name: string): ChannelLog {
    let log = this.#channels.get(name);
    if (!log) {
      log = new ChannelLog(this.db, this.#channelId(name), name);
      this.#channels.set(name, log);
    }
    return log;
  }

  /** The logs of all channels that were ever used. */
  channels(): ChannelLog[] {
    const rows = this.db.prepare("SELECT name FROM channel").all();
    return rows.map((row) => this.channel(String(row["name"])));
  }

  #channelId(name: string): number {
    const find = this.db.prepare("SELECT id FROM channel WHERE name=?");
    const known = find.get(name)?.["id"];
    if (known !== undefined) return Number(known);
    return this.transaction(() => {
      this.db.prepare("INSERT INTO channel(name) VALUES(?) ON CONFLICT DO NOTHING").run(name);
      const id = Number(find.get(name)?.["id"]);
      this.db.exec(ChannelLog.schema(id));
      return id;
    });
  }
}
