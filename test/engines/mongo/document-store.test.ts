import { after } from "node:test";
import { openDocumentStore } from "../../../lib/document-store.ts";
import { documentStoreSuite } from "../../ports/document-store/suite.ts";
import { mongoSettings, startMongo } from "../../support/engines/mongo.ts";
import known from "./known-divergences.json" with { type: "json" };

const server = await startMongo();
after(() => server.stop());

documentStoreSuite({
  name: "MongoDB",
  open: () => openDocumentStore({ mongo: mongoSettings(server, "documents"), file: "", synchronous: "FULL" }),
  expiryWaitMs: 90_000,
  known: known.documents,
  thousands: 2,
});
