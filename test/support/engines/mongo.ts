import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { MongoSettings } from "../../../lib/mongo/shared-client.ts";
import { freePort } from "./process.ts";
import { type EngineProcess, startEngine } from "./started-process.ts";

/** Path of `secantusd-py`, by default where `.ci/engines` has put it. */
const cache = process.env["ENGINES_CACHE"] ?? join(homedir(), ".cache/ganglion-engines");
const command = process.env["SECANTUS"] ?? join(cache, "secantus/bin/secantusd-py");

export interface MongoServer {
  /** Without a database. */
  url: string;
  port: number;
  process: EngineProcess;
  stop(): Promise<void>;
}

export interface MongoOptions {
  /** Folder of its files; in memory where not given. */
  storage?: string;
  port?: number;
  args?: readonly string[];
}

/** A server that speaks MongoDB's protocol, on the loopback: SecantusDB, because no package registry has a mongod. */
export async function startMongo(options: MongoOptions = {}): Promise<MongoServer> {
  if (!existsSync(command)) throw new Error(`there is no ${command}: run .ci/engines, or set SECANTUS`);
  const { storage = ":memory:", port = await freePort(), args = [] } = options;
  const process = await startEngine(
    command,
    ["--host", "127.0.0.1", "--port", String(port), "--storage-path", storage, ...args],
    { ready: /listening on/ },
  );
  return {
    url: `mongodb://127.0.0.1:${port}`,
    port,
    process,
    async stop() {
      process.signal("SIGTERM");
      const cut = setTimeout(() => process.signal("SIGKILL"), 5000);
      await process.ended;
      clearTimeout(cut);
    },
  };
}

/** What stands in the output of each run. */
export function mongoVersion(): string {
  const python = join(command, "..", "python");
  const { stdout } = spawnSync(python, ["-c", "import importlib.metadata as m; print(m.version('SecantusDB'))"]);
  return `SecantusDB ${stdout?.toString().trim()} by MongoDB's wire protocol; no real mongod was tested`;
}

/** Settings of a test: the database is its own. */
export const mongoSettings = (server: MongoServer, database: string): MongoSettings => ({
  url: `${server.url}/${database}`,
  timeoutMs: 30_000,
  selectionMs: 5000,
  poolMax: 10,
});
