import { DatabaseSync } from "node:sqlite";
import { migrate, type SqliteSchema } from "../../../../lib/sqlite-schema.ts";
import { NAMES_TABLE } from "./names.ts";
import { COLUMNS } from "./values.ts";

/**
 * The key is the table: the readings of a device lie next to each other in order of time, and a second write of one
 * finds its key taken. Each device gives its own metrics the columns v0, v1, …; those that find none left go to `more`.
 */
const TABLES = `
  CREATE TABLE device(dev INTEGER PRIMARY KEY, tenant TEXT NOT NULL, id TEXT NOT NULL, UNIQUE(tenant, id));
  CREATE TABLE metric(dev INTEGER NOT NULL, slot INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY(dev, slot), UNIQUE(dev, name)) WITHOUT ROWID;
  CREATE TABLE reading(dev INTEGER NOT NULL, ts INTEGER NOT NULL, seq INTEGER NOT NULL,
    ${COLUMNS.join(", ")}, more TEXT, PRIMARY KEY(dev, ts, seq)) WITHOUT ROWID;`;

const SCHEMA: SqliteSchema = {
  kind: "reading store",
  /** "GngR" */
  applicationId: 0x476e6752,
  unmarkedUntil: 1,
  steps: [
    (db) => db.exec(TABLES),
    // 2: the file has an application id.
    () => {},
    (db) => db.exec(NAMES_TABLE),
  ],
};

export interface SqliteOptions {
  file: string;
  /** FULL survives power loss; NORMAL the death of the process only. @default "FULL" */
  synchronous?: "FULL" | "NORMAL";
  /** Wait for another process's write before the engine counts as unavailable. @default 1000 */
  busyTimeoutMs?: number;
  /** Page cache of the writing connection, which holds the ends of the devices. @default 32768 */
  writeCacheKibibytes?: number;
  /** Page cache of the reading connection. @default 8192 */
  readCacheKibibytes?: number;
  /**
   * Write-ahead log that is copied into the file at once. The pages at the devices' ends are written again by every
   * batch, so that a longer log copies each of them less often. @default 10000
   */
  checkpointPages?: number;
}

/** Two connections: in WAL mode a reader sees the last commit and holds up no writer. */
export interface Connections {
  writer: DatabaseSync;
  reader: DatabaseSync;
}

/** @throws SqliteSchemaError naming the file when it is something else or a newer version of this program wrote it. */
export function openDatabase(options: SqliteOptions): Connections {
  const { file, synchronous = "FULL", busyTimeoutMs: timeout = 1000 } = options;
  const { writeCacheKibibytes = 32_768, readCacheKibibytes = 8192, checkpointPages = 10_000 } = options;
  const writer = new DatabaseSync(file, { timeout });
  try {
    migrate(writer, file, SCHEMA);
    writer.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${synchronous}`);
    writer.exec(`PRAGMA cache_size = -${writeCacheKibibytes}; PRAGMA wal_autocheckpoint = ${checkpointPages}`);
    const reader = new DatabaseSync(file, { timeout, readOnly: true });
    reader.exec(`PRAGMA cache_size = -${readCacheKibibytes}`);
    return { writer, reader };
  } catch (error) {
    writer.close();
    throw error;
  }
}
