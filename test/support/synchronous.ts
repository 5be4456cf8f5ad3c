// Loaded into the platform's process by --import: at SIGUSR2 it tells what each SQLite connection that may write has for
// `PRAGMA synchronous`, as one line of JSON in the file that SYNCHRONOUS_FILE and the process name.
import { writeFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";
import type { DatabaseSync } from "node:sqlite";

const sqlite = createRequire(import.meta.url)("node:sqlite") as { DatabaseSync: typeof DatabaseSync };
const open = new Set<[file: string, database: DatabaseSync]>();

sqlite.DatabaseSync = class extends sqlite.DatabaseSync {
  constructor(...given: ConstructorParameters<typeof DatabaseSync>) {
    super(...given);
    const [file, options] = given;
    // Others are locks, without content.
    if (!options?.readOnly && String(file).endsWith(".db")) open.add([basename(String(file)), this]);
  }
};
syncBuiltinESMExports();

process.on("SIGUSR2", () => {
  const found = [...open]
    .filter(([, database]) => database.isOpen)
    .map(([file, database]) => [file, Number(database.prepare("PRAGMA synchronous").get()?.["synchronous"])]);
  writeFileSync(`${process.env["SYNCHRONOUS_FILE"]}.${process.pid}`, JSON.stringify(found));
});
