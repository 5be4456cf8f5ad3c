import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { migrate, type SqliteSchema } from "../sqlite-schema.ts";

export interface ChannelFileOptions {
  file: string;
  /** FULL survives power loss; NORMAL survives the death of the process only. @default "FULL" */
  synchronous?: "FULL" | "NORMAL";
  /** How long a write waits, blocking, for another process's write, milliseconds. @default 2000 */
  busyTimeoutMs?: number;
}

/** Pages of write-ahead log (4 KiB each) after which a commit copies them into the file: 8 MiB. */
const CHECKPOINT_PAGES = 2000;

/** A SQLite file that several processes of one machine share: opened, versioned, written in transactions. */
export class ChannelFile {
  readonly db: DatabaseSync;
  readonly path: string;
  #begin: StatementSync;
  #commit: StatementSync;
  #dataVersion: StatementSync;

  /**
   * @throws Error naming the file when it cannot be opened, is something else, or was written by a newer version.
   */
  constructor({ file, synchronous = "FULL", busyTimeoutMs = 2000 }: ChannelFileOptions, schema: SqliteSchema) {
    this.path = file;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      this.db = new DatabaseSync(file, { timeout: busyTimeoutMs });
    } catch (error) {
      throw new Error(`channel file ${file} cannot be opened: ${(error as Error).message}`, { cause: error });
    }
    try {
      migrate(this.db, file, schema);
      this.db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${synchronous}; PRAGMA cache_size=-16000;
        PRAGMA wal_autocheckpoint=${CHECKPOINT_PAGES}; PRAGMA journal_size_limit=67108864`);
      this.#begin = this.db.prepare("BEGIN IMMEDIATE");
      this.#commit = this.db.prepare("COMMIT");
      this.#dataVersion = this.db.prepare("PRAGMA data_version");
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
}
