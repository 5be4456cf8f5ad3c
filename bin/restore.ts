// npm run restore -- FOLDER [--force]: puts a backup into DATA_DIR; no platform may run on it.
import { parseArgs } from "node:util";
import { restore } from "../lib/restore.ts";
import { exitWith } from "../lib/start-and-stop.ts";
import { commandConfig } from "./command-config.ts";

try {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { force: { type: "boolean" } } });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1) throw new Error("usage: npm run restore -- FOLDER [--force]");
  const { DATA_DIR: dataDir } = commandConfig();
  const { files, startedAt } = await restore({ dataDir, folder, force: values.force ?? false });
  console.log(`restored ${files.length} files of ${startedAt} to ${dataDir}`);
} catch (error) {
  exitWith((error as Error).message);
}
