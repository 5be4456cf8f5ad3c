import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { BackupError } from "./backup-error.ts";

export const MANIFEST = "manifest.json";
/** Of the manifest and the folder's layout. */
export const BACKUP_FORMAT = 1;

/** A path below the folder, and nothing above it. */
export const FileName = z.string().regex(/^[\w][\w.-]*(\/[\w][\w.-]*)*$/);

const ManifestEntry = z.object({
  name: FileName,
  bytes: z.int().min(0),
  sha256: z.hex().length(64),
  /** Of a SQLite file: what it is, and its schema version. */
  applicationId: z.int().optional(),
  version: z.int().optional(),
});
export type ManifestEntry = z.output<typeof ManifestEntry>;

const BackupManifest = z.object({
  format: z.literal(BACKUP_FORMAT),
  /** Version of the platform that made it. */
  platform: z.string(),
  /** Everything that was acknowledged before this is in the backup. */
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  /** In the order in which they were copied. */
  files: z.array(ManifestEntry).min(1).max(10_000),
});
export type BackupManifest = z.output<typeof BackupManifest>;

/** @throws BackupError where the folder is no backup, or one that this program does not know. */
export function readManifest(folder: string): BackupManifest {
  let text: string;
  try {
    text = readFileSync(join(folder, MANIFEST), "utf8");
  } catch {
    throw new BackupError(`${folder} is no complete backup: it has no ${MANIFEST}`);
  }
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new BackupError(`${join(folder, MANIFEST)} is not JSON`);
  }
  const parsed = BackupManifest.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BackupError(`${join(folder, MANIFEST)}: ${issue?.path.join(".")}: ${issue?.message}`);
}

/** SHA-256 of a file, read piece by piece. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
