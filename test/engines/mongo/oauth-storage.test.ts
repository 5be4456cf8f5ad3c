import { after, before } from "node:test";
import { closeDocumentStore, openDocumentStore } from "../../../lib/document-store.ts";
import { oauthStorageSuite } from "../../ports/oauth-storage/suite.ts";
import { type MongoServer, mongoSettings, startMongo } from "../../support/engines/mongo.ts";

let server: MongoServer;
before(async () => {
  server = await startMongo();
});
after(() => server?.stop());

let serial = 0;
oauthStorageSuite("MongoDB", async (t) => {
  const mongo = mongoSettings(server, `oauth-${++serial}`);
  const open = () => openDocumentStore({ mongo, file: "", synchronous: "NORMAL" });
  const connections = [await open(), await open()] as const;
  t.after(async () => {
    for (const connection of connections) await closeDocumentStore(connection);
  });
  return [...connections];
});
