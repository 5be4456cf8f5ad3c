import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { checkIntegrity } from "./backup.ts";
import { BackupError } from "./backup-error.ts";
import { type BackupManifest, digestOf, type ManifestEntry, readManifest } from "./backup-manifest.ts";
import { holdDataDirectory, RESTORING } from "./data-directory.ts";

export interface RestoreOptions {
  dataDir: string;
  /** A backup. */
  folder: string;
  /** Replace what the data folder holds. */
  force?: boolean;
}

/** Files are copied here and checked, before the folder is renamed to RESTORING and anything is replaced. */
const INCOMING = `${RESTORING}.part`;
/** Not data: the hold itself, which stays while the rest is replaced, and the restore's own. */
const KEPT = ["lock", "lock-journal", "pid", INCOMING, RESTORING];

/**
 * Puts a backup in the place of a data folder. Everything is copied and checked before anything is replaced; a folder
 * whose replacement was interrupted is refused by the platform until a restore has succeeded.
 *
 * @throws BackupError, DataDirectoryError where a platform runs on the folder.
 */
export async function restore({ folder, force = false, ...options }: RestoreOptions): Promise<BackupManifest> {
  const dataDir = resolve(options.dataDir);
  const manifest = readManifest(folder);
  for (const entry of manifest.files) await checkDigest(folder, entry);
  // A platform that runs is refused in any case.
  const hold = holdDataDirectory(dataDir, { restoring: true });
  try {
    const occupied = readdirSync(dataDir).some((name) => !KEPT.includes(name));
    const interrupted = existsSync(join(dataDir, RESTORING));
    if (occupied && !interrupted && !force)
      throw new BackupError(`DATA_DIR ${dataDir} is not empty; --force replaces what it holds`);
    const incoming = join(dataDir, INCOMING);
    rmSync(incoming, { recursive: true, force: true });
    try {
      for (const entry of manifest.files) await stage(folder, incoming, entry);
    } catch (error) {
      rmSync(incoming, { recursive: true, force: true });
      throw error;
    }
    replaceBy(incoming, dataDir);
  } finally {
    hold.release();
  }
  return manifest;
}

function replaceBy(incoming: string, dataDir: string): void {
  const replacing = join(dataDir, RESTORING);
  rmSync(replacing, { recursive: true, force: true });
  renameSync(incoming, replacing);
  sync(dataDir);
  for (const name of readdirSync(dataDir))
    if (!KEPT.includes(name)) rmSync(join(dataDir, name), { recursive: true, force: true });
  for (const name of readdirSync(replacing)) renameSync(join(replacing, name), join(dataDir, name));
  sync(dataDir);
  rmdirSync(replacing);
}

async function checkDigest(folder: string, { name, bytes, sha256 }: ManifestEntry): Promise<void> {
  const file = join(folder, name);
  if (!existsSync(file)) throw new BackupError(`${file} is missing`);
  if (statSync(file).size !== bytes || (await digestOf(file)) !== sha256)
    throw new BackupError(`${file} is not what the backup wrote: its checksum differs`);
}

async function stage(folder: string, incoming: string, entry: ManifestEntry): Promise<void> {
  const to = join(incoming, entry.name);
  mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
  copyFileSync(join(folder, entry.name), to);
  await checkDigest(incoming, entry);
  if (entry.name.endsWith(".db")) {
    const db = new DatabaseSync(to);
    try {
      checkIntegrity(db, to);
    } finally {
      db.close();
    }
  }
  sync(to);
}

/** Brings a file or a folder's entries to the disk; Windows knows no such thing for folders. */
function sync(path: string): void {
  if (process.platform === "win32") return;
  const file = openSync(path, "r");
  fsyncSync(file);
  closeSync(file);
}
