import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { EngineUnavailableError } from "../../../../lib/channels/errors.ts";
import { DiskTrouble, rewriteHeader } from "../../../../lib/disk-trouble.ts";
import { holdFile, isHeld } from "../../../../lib/file-lock.ts";
import { migrate, type SqliteSchema } from "../../../../lib/sqlite-schema.ts";

export interface SessionFileOptions {
  /** Left out: nothing outlives the process. */
  file?: string | undefined;
  /** FULL survives power loss; NORMAL the death of the process only. @default "FULL" */
  synchronous?: "FULL" | "NORMAL" | undefined;
}

/** 503: the session file could not be written (`cause` says why). What was to be kept is not kept. */
export class SessionStoreError extends EngineUnavailableError {
  override name = "SessionStoreError";
  override readonly type = "SESSION_STORE_FAILED";

  constructor(cause: unknown) {
    super(`Sessions could not be stored: ${(cause as Error).message}`, { cause });
  }
}

/** `client` is the client id as the broker knows it, `@tenant/device/id`. Instants are milliseconds since 1970. */
const TABLES = `
  CREATE TABLE session(
    client TEXT PRIMARY KEY,
    expiry_seconds INTEGER NOT NULL,
    disconnected_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE connection(client TEXT PRIMARY KEY, facts TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE subscription(
    client TEXT NOT NULL, filter TEXT NOT NULL, options TEXT NOT NULL,
    PRIMARY KEY (client, filter)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE queue(
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    client TEXT NOT NULL,
    broker_id TEXT,
    broker_counter INTEGER,
    message_id INTEGER,
    packet TEXT NOT NULL,
    payload ANY
  ) STRICT;
  CREATE INDEX queue_client ON queue(client, broker_counter, message_id);
  CREATE TABLE incoming(
    client TEXT NOT NULL, message_id INTEGER NOT NULL, packet TEXT, payload ANY,
    PRIMARY KEY (client, message_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE arrival(
    client TEXT NOT NULL, slot INTEGER NOT NULL, message_id INTEGER NOT NULL,
    digest INTEGER NOT NULL, received_at INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (client, slot)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE retained(topic TEXT PRIMARY KEY, packet TEXT NOT NULL, payload ANY) STRICT;
  CREATE TABLE will(client TEXT PRIMARY KEY, packet TEXT NOT NULL, payload ANY) STRICT;`;

const SCHEMA: SqliteSchema = {
  kind: "session store",
  /** "GngS" */
  applicationId: 0x476e6753,
  unmarkedUntil: 1,
  steps: [
    (db) => db.exec(TABLES),
    // 2: the file has an application id.
    () => {},
    // 3: what was last sent on topics that have a current value.
    (db) => db.exec("CREATE TABLE told(topic TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT, WITHOUT ROWID"),
    // 4: a row for each connection, not for each client: of one client several may wait to be told of.
    (db) => db.exec("ALTER TABLE connection RENAME COLUMN client TO name"),
  ],
};

interface Group {
  writes: (() => void)[];
  committed: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

/** The SQLite file of all MQTT sessions. What one turn of the event loop writes is committed at once. */
export class SessionFile {
  readonly db: DatabaseSync;
  readonly trouble: DiskTrouble;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  /** Sessions are held in memory as well: a second edge on the file would not see them. */
  readonly #lock: DatabaseSync | undefined;
  #group: Group | undefined;
  #closed = false;

  /** @throws Error naming the file when it cannot be opened, is something else, or was written by a newer version. */
  constructor({ file = ":memory:", synchronous = "FULL" }: SessionFileOptions) {
    try {
      if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      this.#lock = file === ":memory:" ? undefined : holdFile(`${file}.lock`, "alone");
      this.db = new DatabaseSync(file, { timeout: 2000 });
    } catch (cause) {
      this.#lock?.close();
      if (isHeld(cause)) throw new Error(`session file ${file} is in use by another edge`);
      throw new Error(`session file ${file} cannot be opened: ${(cause as Error).message}`, { cause });
    }
    try {
      migrate(this.db, file, SCHEMA);
      this.db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${synchronous}; PRAGMA journal_size_limit=67108864`);
      this.#begin = this.db.prepare("BEGIN IMMEDIATE");
      this.#commit = this.db.prepare("COMMIT");
    } catch (error) {
      this.db.close();
      this.#lock?.close();
      throw error;
    }
    this.trouble = new DiskTrouble({
      engine: "session store",
      file,
      write: () => this.write(() => rewriteHeader(this.db)),
    });
  }

  /** Resolves when the write is durable. @throws SessionStoreError: of its group nothing happened. */
  write(write: () => void): Promise<void> {
    if (this.#closed) return Promise.reject(new SessionStoreError(new Error("the edge has stopped")));
    if (!this.#group) {
      const { promise: committed, resolve, reject } = Promise.withResolvers<void>();
      // Not everybody waits for the commit.
      committed.catch(() => {});
      this.#group = { writes: [], committed, resolve, reject };
      setImmediate(() => this.flush());
    }
    this.#group.writes.push(write);
    return this.#group.committed;
  }

  /** Commits what waits, so that a read sees it. */
  flush(): void {
    const group = this.#group;
    if (!group) return;
    this.#group = undefined;
    try {
      this.#transaction(group.writes);
    } catch (cause) {
      this.trouble.report(cause);
      group.reject(new SessionStoreError(cause));
      return;
    }
    group.resolve();
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.trouble.close();
    this.db.close();
    this.#lock?.close();
  }

  #transaction(writes: readonly (() => void)[]): void {
    // Some errors end a transaction by themselves, others leave it open.
    if (this.db.isTransaction) this.db.exec("ROLLBACK");
    this.#begin.run();
    try {
      for (const write of writes) write();
      this.#commit.run();
    } catch (error) {
      try {
        if (this.db.isTransaction) this.db.exec("ROLLBACK");
      } catch {
        // Then the next transaction rolls this one back; the first error says more.
      }
      throw error;
    }
  }
}
