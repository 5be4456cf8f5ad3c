import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { SessionFile } from "../../../services/mqtt-bridge/edge/persistence/session-file.ts";
import { SqlitePersistence } from "../../../services/mqtt-bridge/edge/persistence/sqlite-persistence.ts";

type AbstractTests = (options: { test: typeof test; persistence: () => unknown; testAsync: true }) => void;
const abstractTests = createRequire(import.meta.url)("aedes-persistence/abstract.js") as AbstractTests;

const LIMITS = { maxQueuedPerSession: 10_000, maxRetained: 10_000, maxRetainedBytes: 1_000_000 };

describe("aedes' own tests of a persistence", () => {
  abstractTests({ test, persistence: () => new SqlitePersistence(new SessionFile({}), LIMITS), testAsync: true });
});
