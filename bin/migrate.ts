// npm run migrate: moves DATA_DIR's embedded files to the engines whose URLs are set, and compares both sides.
import { parseArgs } from "node:util";
import { migrate } from "../lib/migrate/migrate.ts";
import { closeParts, filesThatStay, holdSource, openParts } from "../lib/migrate/source-folder.ts";
import { StateFile } from "../lib/migrate/state-file.ts";
import { exitWith } from "../lib/start-and-stop.ts";
import { commandConfig } from "./command-config.ts";
import { possibleParts } from "./migration/possible-parts.ts";

/** Why a file is not moved, where that is not the choice of whoever calls. */
const STAYS: Record<string, string> = {
  "sessions.db":
    "MQTT sessions, what waits for them and retained messages are the edge's, which goes on with this folder",
};

try {
  parseArgs({ options: {} });
  const config = commandConfig();
  const { DATA_DIR: dataDir } = config;
  const hold = holdSource(dataDir);
  const possible = possibleParts(config);
  if (possible.every(({ open }) => open === undefined))
    throw new Error("nowhere to move to: set MONGO_URL, KAFKA_BROKERS or RABBITMQ_URL, as the platform will have them");
  const parts = await openParts(possible);
  await migrate(parts, new StateFile(dataDir), console.log);
  for (const file of filesThatStay(dataDir, possible))
    console.log(`${file} stays in DATA_DIR${STAYS[file] ? `: ${STAYS[file]}` : ""}`);
  console.log("migrated: both sides are equal; the folder is left as it was");
  await closeParts(parts);
  hold.release();
  process.exit(0);
} catch (error) {
  exitWith((error as Error).message);
}
