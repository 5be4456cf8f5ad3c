import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Config } from "../config.ts";

/** Which engine stands behind each port that several processes share, as a process tells the others. */
export type Engines = Readonly<Record<string, string>>;

/** An embedded engine is the folder that its file is in; a server is one for all that are configured with it. */
export function sharedEngines({ DATA_DIR }: Pick<Config, "DATA_DIR">): Engines {
  const embedded = `the embedded one in ${resolve(DATA_DIR)} (${identityOf(DATA_DIR)})`;
  return { "facts channel": embedded, "work channel": embedded, "document store": embedded, "reading store": embedded };
}

/** Tells folders apart, on this machine and others; containers of one machine see the same. */
function identityOf(directory: string): string {
  const { dev, ino } = statSync(directory, { bigint: true });
  return `${machine()}/${dev}/${ino}`;
}

function machine(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return hostname();
  }
}

/** What keeps two processes from being one platform: an engine that is not the same; undefined where nothing does. */
export function conflictOf(mine: Engines, theirs: Engines): string | undefined {
  const different = Object.keys(mine).find((port) => theirs[port] !== undefined && theirs[port] !== mine[port]);
  return different === undefined
    ? undefined
    : `its ${different} is ${mine[different]}, the other's is ${theirs[different]}`;
}
