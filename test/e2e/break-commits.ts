// Loaded before the platform: while the file FULL is in the data folder, the channels' file takes no write, as on a full
// disk.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { LogFile } from "../../lib/channels/log-file.ts";

const { transaction } = LogFile.prototype;
LogFile.prototype.transaction = function <T>(writes: () => T): T {
  if (existsSync(join(dirname(this.path), "FULL"))) throw new Error("database or disk is full");
  return transaction.call(this, writes) as T;
};
