import { join, resolve } from "node:path";

/**
 * Where a running process takes commands: a Unix socket in its data folder, for the user that runs it only. Of several
 * processes that share the folder each has its own.
 */
export const consoleSocketOf = (dataDir: string, nodeId?: string): string =>
  join(resolve(dataDir), nodeId === undefined ? "repl.sock" : `repl-${nodeId}.sock`);
