import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { connectEmbedded } from "../../../lib/embedded-mongo/driver.ts";
import { documentStoreSuite } from "./suite.ts";

const folder = await mkdtemp(join(tmpdir(), "document-store-"));
after(() => rm(folder, { recursive: true }));

documentStoreSuite({
  name: "the embedded engine",
  open: () => connectEmbedded(join(folder, "store.sqlite"), { expirySweepSeconds: 0.2 }),
  expiryWaitMs: 10_000,
});
