import { globSync } from "node:fs";
import { matchesGlob } from "node:path";

const FOLDER = "services/";
const ENDING = ".service.ts";

/**
 * Files of the services that `SERVICES` names: a folder below `services/` stands for all services in it, a path without
 * its ending for one; masks and `!exceptions` as the runner knows them.
 *
 * @throws Error naming what matches no service.
 */
export function serviceFiles(wanted: readonly string[], files: readonly string[] = allServiceFiles()): string[] {
  const names = new Map(files.map((file) => [file.slice(FOLDER.length, -ENDING.length), file]));
  const chosen = new Set<string>();
  for (const entry of wanted) {
    const excepted = entry.startsWith("!");
    const mask = (excepted ? entry.slice(1) : entry).replace(FOLDER, "").replace(/(\.service\.ts|\/)$/, "");
    const found = [...names].filter(
      ([name]) => name === mask || name.startsWith(`${mask}/`) || matchesGlob(name, mask),
    );
    if (found.length === 0)
      throw new Error(`SERVICES: no service is called ${mask}; there are ${[...names.keys()].join(", ")}`);
    for (const [, file] of found) excepted ? chosen.delete(file) : chosen.add(file);
  }
  if (chosen.size === 0) throw new Error("SERVICES: names no service");
  return [...chosen];
}

/** Every service of the project, by path. */
export const allServiceFiles = (): string[] => globSync(`${FOLDER}**/*${ENDING}`).map(posix).sort();
const posix = (path: string) => path.replaceAll("\\", "/");
