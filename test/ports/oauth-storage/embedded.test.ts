import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closeDocumentStore, openDocumentStore } from "../../../lib/document-store.ts";
import { oauthStorageSuite } from "./suite.ts";

oauthStorageSuite("the embedded store", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-oauth-"));
  const open = () => openDocumentStore({ file: join(folder, "documents.db"), synchronous: "NORMAL" });
  const connections = [await open(), await open()] as const;
  t.after(async () => {
    for (const connection of connections) await closeDocumentStore(connection);
    rmSync(folder, { recursive: true });
  });
  return [...connections];
});
