import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { proofStoreSuite } from "./suite.ts";

const folder = mkdtempSync(join(tmpdir(), "ganglion-proofs-"));
after(() => rmSync(folder, { recursive: true }));
proofStoreSuite("the embedded store", { file: join(folder, "proofs.db"), synchronous: "NORMAL" });
