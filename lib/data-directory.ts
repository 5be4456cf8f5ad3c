import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Makes the folder and holds it for this process until it ends, however it ends: the lock is the operating system's,
 * through an open SQLite transaction, so that nothing stale is left by a SIGKILL and no pid is mistaken for another's.
 *
 * @throws DataDirectoryError naming the folder when another process holds it or it cannot be written.
 */
export function holdDataDirectory(directory: string, { restoring = false } = {}): { release(): void } {
  const path = resolve(directory);
  const pidFile = join(path, "pid");
  let lock: DatabaseSync;
  // Whatever the folder was before, what is written into it is its owner's.
  process.umask(0o077);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(join(path, "lock"));
    lock.exec("PRAGMA busy_timeout=0; PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE");
    writeFileSync(pidFile, `${process.pid}\n`);
  } catch (error) {
    const { errcode, message } = error as { errcode?: number; message: string };
    if (errcode === SQLITE_BUSY)
      throw new DataDirectoryError(`DATA_DIR ${path} is in use by process ${holder(pidFile)}`);
    throw new DataDirectoryError(`DATA_DIR ${path} cannot be used: ${message}`);
  }
  if (!restoring && existsSync(join(path, RESTORING))) {
    lock.close();
    throw new DataDirectoryError(`DATA_DIR ${path} is half restored; run the restore again`);
  }
  held.add(lock);
  return {
    release() {
      held.delete(lock);
      lock.close();
    },
  };
}

/** In a data folder while its contents are being replaced by a backup's. */
export const RESTORING = "restoring";

/** What nothing refers to is collected, and the lock with it. */
const held = new Set<DatabaseSync>();

const SQLITE_BUSY = 5;

function holder(pidFile: string): string {
  try {
    return readFileSync(pidFile, "utf8").trim();
  } catch {
    return "(unknown)";
  }
}

export class DataDirectoryError extends Error {
  override name = "DataDirectoryError";
}
