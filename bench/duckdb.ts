import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface DuckdbAnswer {
  ms: number;
  /** CPU of all its threads. */
  cpuMs: number;
  hours: number;
  /** Start of the hour in microseconds, and the mean of each metric. */
  means?: number[][];
}

/** DuckDB with the rows of a CSV, in a process of its own. */
export interface Duckdb {
  version: string;
  hourlyMeans(show?: boolean): Promise<DuckdbAnswer>;
  close(): Promise<void>;
}

const script = fileURLToPath(new URL("./duckdb_hourly.py", import.meta.url));

/** @throws Error when Python has no duckdb, or the rows are not all there */
export async function startDuckdb(python: string, folder: string, csv: string, rows: number): Promise<Duckdb> {
  const child = spawn(python, [script, folder, csv], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python}: DuckDB has ended`);
    return JSON.parse(value);
  };
  await Promise.race([once(child, "spawn"), once(child, "error").then(([error]) => Promise.reject(error))]);
  const loaded = (await next()) as { rows: number; version: string };
  if (loaded.rows !== rows) throw new Error(`DuckDB has ${loaded.rows} rows of ${rows}`);
  return {
    version: loaded.version,
    hourlyMeans(show = false) {
      child.stdin.write(show ? "show\n" : "run\n");
      return next() as Promise<DuckdbAnswer>;
    },
    async close() {
      const closed = once(child, "close");
      child.stdin.end();
      await closed;
    },
  };
}
