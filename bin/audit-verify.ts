// npm run audit:verify [-- --head TENANT=SEQ:HASH …]: reads every tenant's chain of audit events, while the platform runs
// or not. Ends with 1 where one is broken, or does not hold a head that was kept elsewhere.
import { parseArgs } from "node:util";
import { closeDocumentStore, openDocumentStore } from "../lib/document-store.ts";
import { serviceSettings } from "../lib/service-settings.ts";
import { exitWith } from "../lib/start-and-stop.ts";
import type { DocumentStoreSettings } from "../mixins/document-store.mixin.ts";
import { auditEventModel } from "../services/audit/audit-event.model.ts";
import { AuditLog } from "../services/audit/audit-log.ts";
import { parseHead, verifyAll } from "../services/audit/verify.ts";
import { commandConfig } from "./command-config.ts";

try {
  const { values } = parseArgs({ options: { head: { type: "string", multiple: true, default: [] } } });
  const kept = values.head.map(parseHead);
  const {
    documentsFile: file,
    synchronous,
    mongo,
  } = serviceSettings(commandConfig())["audit"] as unknown as DocumentStoreSettings;
  const documents = await openDocumentStore({ file, synchronous, mongo });
  const lines = await verifyAll(new AuditLog(auditEventModel(documents)), kept).finally(() =>
    closeDocumentStore(documents),
  );
  for (const { text, wrong } of lines) (wrong ? console.error : console.log)(text);
  if (lines.some(({ wrong }) => wrong)) process.exitCode = 1;
} catch (error) {
  exitWith((error as Error).message);
}
