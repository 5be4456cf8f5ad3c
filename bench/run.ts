// npm run bench -- NAME [--short]: runs one benchmark; its last line is JSON.
import { globSync } from "node:fs";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));
const names = globSync("*.bench.ts", { cwd: folder }).map((file) => basename(file, ".bench.ts"));
const [name = "", ...options] = process.argv.slice(2);
if (!names.includes(name)) {
  console.error(`npm run bench -- NAME [--short]; NAME is one of ${names.sort().join(", ")}`);
  process.exit(1);
}
const { default: bench } = (await import(`./${name}.bench.ts`)) as { default: Bench };
const result = await bench({ short: options.includes("--short") });
console.log(JSON.stringify(result));
process.exit(0);

/** One benchmark: prints what it does as it goes, and resolves to its figures. `short` is for its shape only. */
export type Bench = (options: { short: boolean }) => Promise<Record<string, unknown>>;
