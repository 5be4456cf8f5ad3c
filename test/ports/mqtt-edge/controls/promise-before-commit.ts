// A build broken on purpose, loaded before the platform: what is to be durable is said to be so before it is.
import { SessionFile } from "../../../../services/mqtt-bridge/edge/persistence/session-file.ts";

const LATE_MS = 400;
SessionFile.prototype.write = function (write) {
  setTimeout(() => {
    this.db.exec("BEGIN IMMEDIATE");
    write();
    this.db.exec("COMMIT");
  }, LATE_MS);
  return Promise.resolve();
};
