// Loaded into the platform's process by --import: at SIGUSR2 every SQLite connection can no longer write, and at the next
// one it can again. A file system cannot be remounted read-only while files on it are open for writing, so that the error
// is brought about where SQLite itself raises it: SQLITE_READONLY, "attempt to write a readonly database".
import { createRequire, syncBuiltinESMExports } from "node:module";
import type { DatabaseSync } from "node:sqlite";

const sqlite = createRequire(import.meta.url)("node:sqlite") as { DatabaseSync: typeof DatabaseSync };
const open = new Set<DatabaseSync>();
let readOnly = false;

sqlite.DatabaseSync = class extends sqlite.DatabaseSync {
  constructor(...given: ConstructorParameters<typeof DatabaseSync>) {
    super(...given);
    open.add(this);
  }
};
syncBuiltinESMExports();

process.on("SIGUSR2", () => {
  readOnly = !readOnly;
  for (const database of open) if (database.isOpen) database.exec(`PRAGMA query_only=${readOnly ? 1 : 0}`);
});
