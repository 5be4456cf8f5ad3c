import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { ChannelLog } from "./channel-log.ts";

export interface LogFileOptions {
  file: string;
  /** FULL survives power loss; NORMAL survives the death of the process only. @default "FULL" */
  synchronous?: "FULL" | "NORMAL";
  /** How long a write waits, blocking, for another process's write, milliseconds. @default 2000 */
  busyTimeoutMs?: number;
}

/** Version of the tables below, kept in `PRAGMA user_version`. */
const SCHEMA_VERSION = 1;

/** Each channel has its own table `log_<id>`: its row id is the position, so that an append touches one B-tree only. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS channel(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE IF NOT EXISTS consumer_group(
    channel INTEGER NOT NULL,
    name TEXT NOT NULL,
    next INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    expires INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, name)
  ) STRICT, WITHOUT ROWID;`;

/** Pages of write-ahead log (4 KiB each) after which a commit copies them into the file: 8 MiB. */
const CHECKPOINT_PAGES = 2000;

/** The SQLite file that holds every channel's log and every group's position. */
export class LogFile {
  readonly db: DatabaseSync;
  readonly path: string;
  #channels = new Map<string, ChannelLog>();
  #begin: StatementSync;
  #commit: StatementSync;
  #dataVersion: StatementSync;

  /** @throws Error naming the file when it cannot be opened or was written by a newer version. */
  constructor({ file, synchronous = "FULL", busyTimeoutMs = 2000 }: LogFileOptions) {
    this.path = file;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      this.db = new DatabaseSync(file, { timeout: busyTimeoutMs });
    } catch (error) {
      throw new Error(`channel file ${file} cannot be opened: ${(error as Error).message}`, { cause: error });
    }
    try {
      const version = this.#version();
      this.db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${synchronous}; PRAGMA cache_size=-16000;
        PRAGMA wal_autocheckpoint=${CHECKPOINT_PAGES}; PRAGMA journal_size_limit=67108864`);
      this.#begin = this.db.prepare("BEGIN IMMEDIATE");
      this.#commit = this.db.prepare("COMMIT");
      this.#dataVersion = this.db.prepare("PRAGMA data_version");
      if (version < SCHEMA_VERSION)
        this.transaction(() => this.db.exec(`${SCHEMA} PRAGMA user_version=${SCHEMA_VERSION}`));
    } catch (error) {
      this.db.close();
      throw error;
    }
  }

  /** Runs the writes in one transaction; when anything fails, none of them happened. */
  transaction<T>(writes: () => T): T {
    this.#rollBack();
    this.#begin.run();
    try {
      const result = writes();
      this.#commit.run();
      return result;
    } catch (error) {
      try {
        this.#rollBack();
      } catch {
        // Then the next transaction rolls this one back; the first error says more.
      }
      throw error;
    }
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

  /** Changes when another connection has committed, in this process or another. */
  dataVersion(): number {
    return Number(this.#dataVersion.get()?.["data_version"]);
  }

  /** Bytes in use, without free pages. */
  usedBytes(): number {
    const pragma = (name: string) => Number(this.db.prepare(`PRAGMA ${name}`).get()?.[name]);
    return (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
  }

  close(): void {
    if (this.db.isOpen) this.db.close();
  }

  /** Some errors end a transaction by themselves. */
  #rollBack(): void {
    if (this.db.isTransaction) this.db.exec("ROLLBACK");
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

  #version(): number {
    const version = Number(this.db.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > SCHEMA_VERSION)
      throw new Error(
        `channel file ${this.path} was written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION})`,
      );
    return version;
  }
}
