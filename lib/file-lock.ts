import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;

/**
 * Holds a file that is there for nothing else, alone or together with others that hold it so, until it is closed or the
 * process ends: the lock is the operating system's, through an open SQLite transaction.
 *
 * @throws SQLite's error; `isHeld` tells whether somebody else holds it.
 */
export function holdFile(file: string, how: "alone" | "shared"): DatabaseSync {
  const lock = new DatabaseSync(file);
  try {
    lock.exec("PRAGMA busy_timeout=0; PRAGMA journal_mode=DELETE");
    // A transaction that has read holds SQLite's shared lock.
    lock.exec(how === "alone" ? "BEGIN EXCLUSIVE" : "BEGIN; SELECT count(*) FROM sqlite_schema");
    return lock;
  } catch (error) {
    lock.close();
    throw error;
  }
}

export const isHeld = (error: unknown): boolean => (error as { errcode?: number }).errcode === SQLITE_BUSY;
