import { DatabaseSync, type StatementSync } from "node:sqlite";
import mongodb from "mongodb";
import { DiskTrouble, isDiskError, rewriteHeader } from "../disk-trouble.ts";
import { migrate, type SqliteSchema } from "../sqlite-schema.ts";
import { Catalog } from "./catalog.ts";
import { serverError } from "./errors.ts";

const SCHEMA: SqliteSchema = {
  kind: "document store",
  /** "Gngl" */
  applicationId: 0x476e676c,
  steps: [
    (db) =>
      db.exec(`CREATE TABLE catalog_version (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
        INSERT INTO catalog_version VALUES (1, 0);
        CREATE TABLE catalog (id INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL UNIQUE, meta TEXT NOT NULL);`),
  ],
};
const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

export interface StoreFileOptions {
  /** FULL survives power loss; NORMAL the death of the process only. */
  synchronous: "FULL" | "NORMAL";
  /** How long a write waits for a writer in another process. It blocks the event loop. */
  busyTimeoutMs: number;
  /** Prepared statements kept. */
  statementsMax: number;
}

/** A commit waits at most so long for others to join it. */
const GATHER_MS_MAX = 5;

/** A write that waits for the commit of its group. */
interface Waiting {
  work: () => unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** One SQLite file: statements, transactions, and the catalog of collections in it. */
export class StoreFile {
  readonly catalog: Catalog;
  readonly trouble: DiskTrouble;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #statementsMax: number;
  #inTransaction = false;
  #group: Waiting[] = [];
  /** When the last group's commit had ended, and how long it took, milliseconds. */
  #lastCommit = { endedAt: 0, took: 0 };

  /** @throws Error when the file is something else, or of a newer format. */
  constructor(file: string, options: StoreFileOptions) {
    this.#statementsMax = options.statementsMax;
    this.#database = new DatabaseSync(file, { timeout: options.busyTimeoutMs });
    try {
      migrate(this.#database, file, SCHEMA);
      this.#database.exec("PRAGMA journal_mode=WAL");
      this.#database.exec(`PRAGMA synchronous=${options.synchronous}; PRAGMA temp_store=MEMORY`);
    } catch (error) {
      this.#database.close();
      throw error;
    }
    this.catalog = new Catalog(this);
    this.trouble = new DiskTrouble({
      engine: "document store",
      file,
      write: () => this.write(() => rewriteHeader(this.#database)),
    });
  }

  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement) return statement;
    statement = this.#database.prepare(sql);
    if (this.#statements.size >= this.#statementsMax) {
      const [oldest] = this.#statements.keys();
      if (oldest !== undefined) this.#statements.delete(oldest);
    }
    this.#statements.set(sql, statement);
    return statement;
  }

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  /** Runs `work` on one snapshot, which has all that was written before. */
  read<T>(work: () => T): T {
    this.#flush();
    return this.#transaction("BEGIN", work);
  }

  /**
   * Runs `work` as the only writer and makes it durable before returning. An error of the server's kind keeps what
   * was written before it, as MongoDB keeps the documents before the failing one; any other error undoes all.
   */
  write<T>(work: () => T): T {
    this.#flush();
    return this.#transaction("BEGIN IMMEDIATE", work);
  }

  /**
   * As `write`, and resolves when it is durable; what one turn of the event loop writes is committed at once. Between
   * commits there is as much time as the last one took: the event loop takes one new connection a turn, so that under a
   * storm of them every turn would otherwise be a commit of one.
   */
  commit<T>(work: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (this.#group.length === 0) {
      const { endedAt, took } = this.#lastCommit;
      const early = endedAt + Math.min(took, GATHER_MS_MAX) - performance.now();
      if (early > 0) setTimeout(() => this.#flush(), early);
      else setImmediate(() => this.#flush());
    }
    this.#group.push({ work, resolve: resolve as (result: unknown) => void, reject });
    return promise;
  }

  #flush(): void {
    if (this.#group.length === 0) return;
    const group = this.#group;
    this.#group = [];
    const begun = performance.now();
    const [first] = group;
    try {
      if (first && group.length === 1) first.resolve(this.#transaction("BEGIN IMMEDIATE", first.work));
      else
        for (const settle of this.#transaction("BEGIN IMMEDIATE", () => group.map((one) => this.#step(one)))) settle();
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
    const endedAt = performance.now();
    this.#lastCommit = { endedAt, took: endedAt - begun };
  }

  /** One of a group: what it throws undoes as much as it would alone. Returns what is to be said after the commit. */
  #step({ work, resolve, reject }: Waiting): () => void {
    this.statement("SAVEPOINT step").run();
    try {
      const result = work();
      this.statement("RELEASE step").run();
      return () => resolve(result);
    } catch (error) {
      // The disk's errors may have ended the transaction, and with it those before.
      if (!this.#database.isTransaction) throw error;
      if (!(error instanceof mongodb.MongoServerError)) {
        this.statement("ROLLBACK TO step").run();
        this.catalog.forget();
        this.catalog.refresh();
      }
      this.statement("RELEASE step").run();
      return () => reject(this.#failed(error));
    }
  }

  #transaction<T>(begin: string, work: () => T): T {
    if (!this.#database.isOpen) throw new mongodb.MongoNotConnectedError("the document store is closed");
    if (this.#inTransaction) throw new Error("the document store was used inside its own transaction");
    try {
      this.#database.exec(begin);
    } catch (error) {
      throw this.#failed(error);
    }
    this.#inTransaction = true;
    try {
      this.catalog.refresh();
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#end(error instanceof mongodb.MongoServerError);
      throw this.#failed(error);
    } finally {
      this.#inTransaction = false;
    }
  }

  #failed(error: unknown): unknown {
    this.trouble.report(error);
    return translated(error);
  }

  #end(commit: boolean): void {
    if (commit && this.#database.isTransaction) {
      try {
        this.#database.exec("COMMIT");
        return;
      } catch {
        // Falls through to the rollback; the caller's own error is the one to report.
      }
    }
    this.catalog.forget();
    if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
  }

  close(): void {
    if (this.#database.isOpen) this.#flush();
    this.trouble.close();
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }
}

/**
 * SQLite's own errors by MongoDB's names, where there is one. What is the disk's fault is an outage: a consumer waits for
 * its end, and no message is taken for poison.
 */
function translated(error: unknown): unknown {
  if (!(error instanceof Error) || !("errcode" in error)) return error;
  const primary = Number(error.errcode) & 0xff;
  if (primary === SQLITE_BUSY)
    return serverError(24, "LockTimeout", "another process holds the document store's write lock", {
      outage: true,
      cause: error,
    });
  if (primary === SQLITE_FULL)
    return serverError(14031, "OutOfDiskSpace", "the disk is full", { outage: true, cause: error });
  return isDiskError(error) ? Object.assign(error, { outage: true }) : error;
}
