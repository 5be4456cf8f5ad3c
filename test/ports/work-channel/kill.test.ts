import { join } from "node:path";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";
import { killSuite } from "./kill-suite.ts";

killSuite({
  worker: () => ({}),
  create: (dir) => new SqliteWorkAdapter({ file: join(dir, "work.db") }),
  deadTwice: false,
});
