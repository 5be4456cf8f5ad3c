import { join, resolve } from "node:path";

/** Where a running platform takes commands: a Unix socket in its data folder, for the user that runs it only. */
export const consoleSocketOf = (dataDir: string): string => join(resolve(dataDir), "repl.sock");
