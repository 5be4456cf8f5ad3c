// npm run bench -- NAME [--short] [--stored ROWS] [--engines]: runs one benchmark; its last line is JSON.
import { globSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const USAGE = "npm run bench -- NAME [--short] [--stored ROWS] [--engines]";
const folder = dirname(fileURLToPath(import.meta.url));
const names = globSync("*.bench.ts", { cwd: folder }).map((file) => basename(file, ".bench.ts"));

function leave(message: string): never {
  console.error(message);
  process.exit(1);
}

function parsed() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        short: { type: "boolean", default: false },
        stored: { type: "string", default: "0" },
        engines: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return leave(`${(error as Error).message}; ${USAGE}`);
  }
}

const { values, positionals } = parsed();
const [name = ""] = positionals;
if (!names.includes(name)) leave(`${USAGE}; NAME is one of ${names.sort().join(", ")}`);
const stored = Number(values.stored);
if (!Number.isSafeInteger(stored) || stored < 0) leave(`--stored must be a number of rows, is ${values.stored}`);
if ((stored > 0 || values.engines) && name !== "ingest") leave("--stored and --engines go with ingest only");
if (stored > 0 && values.engines) leave("--stored does not go with --engines");
const { default: bench } = (await import(`./${name}.bench.ts`)) as { default: Bench };
const result = await bench({ short: values.short, stored, engines: values.engines });
console.log(JSON.stringify(result));
process.exit(0);

export interface BenchOptions {
  /** For its shape only: what it prints is no measurement. */
  short: boolean;
  /** Rows that are stored before. */
  stored: number;
  /** On the engines of a cluster, next to the embedded ones. */
  engines: boolean;
}

/** One benchmark: prints what it does as it goes, and resolves to its figures. */
export type Bench = (options: BenchOptions) => Promise<Record<string, unknown>>;
