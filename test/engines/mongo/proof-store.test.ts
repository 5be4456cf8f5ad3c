import { after } from "node:test";
import { proofStoreSuite } from "../../ports/proof-store/suite.ts";
import { mongoSettings, startMongo } from "../../support/engines/mongo.ts";

const server = await startMongo();
after(() => server.stop());
proofStoreSuite("MongoDB", { mongo: mongoSettings(server, "proofs"), file: "", synchronous: "FULL" });
