import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { holdFile, isHeld } from "./file-lock.ts";

export interface HoldOptions {
  /** The folder's contents are being replaced. */
  restoring?: boolean;
  /** This process is one of several of a platform on one machine, which share the folder; each has a name of its own. */
  nodeId?: string | undefined;
}

/**
 * Makes the folder and holds it for this process until it ends, however it ends: the lock is the operating system's,
 * through an open SQLite transaction, so that nothing stale is left by a SIGKILL and no pid is mistaken for another's.
 * With a name it is held together with others that have one, and never with one that has none.
 *
 * @throws DataDirectoryError naming the folder when another process holds it or it cannot be written.
 */
export function holdDataDirectory(
  directory: string,
  { restoring = false, nodeId }: HoldOptions = {},
): { release(): void } {
  const path = resolve(directory);
  const locks: DatabaseSync[] = [];
  const give = () => {
    for (const lock of locks) {
      held.delete(lock);
      lock.close();
    }
  };
  // Whatever the folder was before, what is written into it is its owner's.
  process.umask(0o077);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    locks.push(holdFile(join(path, "lock"), nodeId === undefined ? "alone" : "shared"));
    if (nodeId !== undefined) locks.push(holdFile(join(path, `lock-${nodeId}`), "alone"));
    writeFileSync(join(path, pidFileOf(nodeId)), `${process.pid}\n`);
  } catch (error) {
    give();
    if (!isHeld(error)) throw new DataDirectoryError(`DATA_DIR ${path} cannot be used: ${(error as Error).message}`);
    const name = locks.length > 0 ? `NODE_ID ${nodeId} in ` : "";
    throw new DataDirectoryError(
      `${name}DATA_DIR ${path} is in use by process ${holders(path, name ? nodeId : undefined)}`,
    );
  }
  if (!restoring && existsSync(join(path, RESTORING))) {
    give();
    throw new DataDirectoryError(`DATA_DIR ${path} is half restored; run the restore again`);
  }
  for (const lock of locks) held.add(lock);
  return { release: give };
}

const pidFileOf = (nodeId: string | undefined) => (nodeId === undefined ? "pid" : `pid-${nodeId}`);

/** In a data folder while its contents are being replaced by a backup's. */
export const RESTORING = "restoring";

/** What nothing refers to is collected, and the lock with it. */
const held = new Set<DatabaseSync>();

/** Whoever held the folder last, by what it wrote; of several, those whose process still lives. */
function holders(path: string, nodeId?: string): string {
  const files = nodeId === undefined ? globSync("pid{,-*}", { cwd: path }) : [pidFileOf(nodeId)];
  const pids = files.map((file) => readFileSync(join(path, file), "utf8").trim());
  return pids.filter(isAlive).join(", ") || "(unknown)";
}

function isAlive(pid: string): boolean {
  try {
    return process.kill(Number(pid), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

export class DataDirectoryError extends Error {
  override name = "DataDirectoryError";
}
