import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { backup, DatabaseSync } from "node:sqlite";
import { BackupError } from "./backup-error.ts";
import {
  BACKUP_FORMAT,
  type BackupManifest,
  digestOf,
  FileName,
  MANIFEST,
  type ManifestEntry,
} from "./backup-manifest.ts";
import { backupOrder } from "./backup-order.ts";
import { schemaMark } from "./sqlite-schema.ts";
import { VERSION } from "./version.ts";

export interface BackupOptions {
  dataDir: string;
  /** Made where it is not there; must be empty. */
  folder: string;
  /** In which order the files are copied. @default backupOrder */
  order?: (files: readonly string[]) => string[];
  /** Called after each file. */
  copied?: (entry: ManifestEntry) => unknown;
}

/** All pages in one step: one snapshot, and nothing that is written meanwhile makes it begin anew. */
const ALL_PAGES = 2 ** 31 - 1;

/**
 * Copies a platform's data, while it runs or not. Each SQLite file is a snapshot of one moment; what was acknowledged
 * before the call is in one of them. The manifest comes last: a folder without one is no backup.
 *
 * @throws BackupError
 */
export async function backUp(options: BackupOptions): Promise<BackupManifest> {
  const { order = backupOrder, copied } = options;
  const [dataDir, folder] = [resolve(options.dataDir), resolve(options.folder)];
  const files = existsSync(dataDir) ? order(dataFiles(dataDir)) : [];
  if (files.length === 0) throw new BackupError(`DATA_DIR ${dataDir} holds no data`);
  if (!relative(dataDir, folder).startsWith("..")) throw new BackupError(`${folder} is inside DATA_DIR ${dataDir}`);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new BackupError(`${folder} is not empty`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const manifest: BackupManifest = {
    ...{ format: BACKUP_FORMAT, platform: VERSION, startedAt: new Date().toISOString(), endedAt: "", files: [] },
  };
  for (const name of files) {
    const entry = await copy(join(dataDir, name), join(folder, name), name);
    manifest.files.push(entry);
    await copied?.(entry);
  }
  manifest.endedAt = new Date().toISOString();
  const draft = join(folder, `${MANIFEST}.part`);
  writeFileSync(draft, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
  renameSync(draft, join(folder, MANIFEST));
  return manifest;
}

/** What belongs to a running process only, and what SQLite keeps beside its files. */
const PASSING =
  /^((pid|lock)(-[^/]*)?|restoring(\.part)?\/.*|.*\.(sock|lock|probe|part)|.*-(wal|shm|journal)|.*\.user-[^/]*)$/;

/** Names of the files that are worth keeping, relative to the folder. */
export const dataFiles = (dataDir: string): string[] =>
  readdirSync(dataDir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(dataDir, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((name) => FileName.safeParse(name).success && !PASSING.test(name));

async function copy(from: string, to: string, name: string): Promise<ManifestEntry> {
  mkdirSync(join(to, ".."), { recursive: true, mode: 0o700 });
  if (!name.endsWith(".db")) {
    copyFileSync(from, to);
    return { name, bytes: statSync(to).size, sha256: await digestOf(to) };
  }
  const part = `${to}.part`;
  try {
    const source = new DatabaseSync(from, { readOnly: true, timeout: 10_000 });
    try {
      await backup(source, part, { rate: ALL_PAGES });
    } finally {
      source.close();
    }
    const mark = checkCopy(part);
    renameSync(part, to);
    return { name, bytes: statSync(to).size, sha256: await digestOf(to), ...mark };
  } catch (error) {
    rmSync(part, { force: true });
    throw new BackupError(`${from} could not be copied: ${(error as Error).message}`, { cause: error });
  }
}

/** Makes the copy a file of its own, without a log beside it, and looks whether it is sound. */
function checkCopy(file: string) {
  const db = new DatabaseSync(file);
  try {
    db.exec("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL");
    checkIntegrity(db, file);
    return schemaMark(db);
  } finally {
    db.close();
  }
}

/** @throws BackupError where SQLite finds the file damaged. */
export function checkIntegrity(db: DatabaseSync, file: string): void {
  const found = Object.values(db.prepare("PRAGMA integrity_check(1)").get() ?? {})[0];
  if (found !== "ok") throw new BackupError(`${file} is damaged: ${found}`);
}
