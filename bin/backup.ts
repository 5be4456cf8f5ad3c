// npm run backup -- FOLDER: copies the data of DATA_DIR into an empty folder, while the platform runs or not.
import { parseArgs } from "node:util";
import { backUp } from "../lib/backup.ts";
import { exitWith } from "../lib/start-and-stop.ts";
import { commandConfig } from "./command-config.ts";

try {
  const { positionals } = parseArgs({ allowPositionals: true });
  const [folder] = positionals;
  if (folder === undefined || positionals.length > 1) throw new Error("usage: npm run backup -- FOLDER");
  const { DATA_DIR: dataDir, MONGO_URL } = commandConfig();
  const { files } = await backUp({ dataDir, folder });
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  console.log(`backup ${folder}: ${files.length} files, ${bytes} bytes`);
  // After the channels, as with files: what a consumer has done by then is in the copy.
  if (MONGO_URL !== undefined)
    console.error(
      "not in it: documents, readings and newest values, which are in MongoDB; back that up now, by its own means",
    );
} catch (error) {
  exitWith((error as Error).message);
}
