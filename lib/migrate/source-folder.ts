import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { dataFiles } from "../backup.ts";
import { holdDataDirectory } from "../data-directory.ts";
import { MigrationError } from "./migration-error.ts";
import type { MigrationPart } from "./part.ts";
import { STATE_FILE } from "./state-file.ts";

/** A part that a folder may have: with a file, and with an engine that takes it. */
export interface PossiblePart {
  file: string;
  /** Undefined where the environment names no engine for it. */
  open: (() => Promise<MigrationPart>) | undefined;
}

/**
 * Holds the folder of a platform that does not run.
 *
 * @throws MigrationError where it holds no data; DataDirectoryError where a platform runs on it
 */
export function holdSource(dataDir: string): { release(): void } {
  if (!existsSync(dataDir) || dataFiles(dataDir).length === 0)
    throw new MigrationError(`DATA_DIR ${resolve(dataDir)} holds no data`);
  return holdDataDirectory(dataDir);
}

/** Opens the parts that have both; when one cannot be opened, those before it are closed. */
export async function openParts(possible: readonly PossiblePart[]): Promise<MigrationPart[]> {
  const parts: MigrationPart[] = [];
  try {
    for (const { file, open } of possible) if (open && existsSync(file)) parts.push(await open());
    return parts;
  } catch (error) {
    await closeParts(parts);
    throw error;
  }
}

export async function closeParts(parts: readonly MigrationPart[]): Promise<void> {
  for (const part of parts) await part.close();
}

/** Files that no engine takes. */
export function filesThatStay(dataDir: string, possible: readonly PossiblePart[]): string[] {
  const moved = possible.filter(({ open }) => open).map(({ file }) => basename(file));
  return dataFiles(dataDir).filter((name) => ![...moved, STATE_FILE].includes(name) && existsSync(join(dataDir, name)));
}
