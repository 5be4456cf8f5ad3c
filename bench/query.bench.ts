import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Aggregate } from "../schemas/telemetry.ts";
import { type Platform, startPlatform } from "../test/support/platform.ts";
import { type Duckdb, startDuckdb } from "./duckdb.ts";
import { median, rounded } from "./median.ts";
import { cpuMicros } from "./process-figures.ts";
import type { Bench } from "./run.ts";
import { fillStore, METRICS } from "./stored-rows.ts";

const DEVICE = "bench";

/** One question, asked of one of the two. */
interface Run {
  ms: number;
  cpuMs: number;
}

/**
 * Hourly means of all metrics of one device, over all its rows: by REST, page by page to the end, and by DuckDB on the
 * same rows, in turn. Both are warm, and their answers are compared. DuckDB may use all cores; the platform uses one.
 */
const query: Bench = async ({ short }) => {
  const python = process.env["DUCKDB_PYTHON"];
  if (!python) console.log("DuckDB is left out: DUCKDB_PYTHON names no Python that has duckdb");
  const sizes = [];
  for (const rows of short ? [100_000] : [1_000_000, 10_000_000])
    sizes.push(await measure(rows, short ? 1 : 7, python));
  const { hourlyMeanMs, vsDuckdb } = sizes.at(-1) as (typeof sizes)[number];
  return { hourlyMeanMs, vsDuckdb, sizes };
};
export default query;

async function measure(rows: number, rounds: number, python: string | undefined) {
  const folder = mkdtempSync(join(tmpdir(), "ganglion-query-"));
  const [file, csv] = [join(folder, "readings.db"), join(folder, "rows.csv")];
  const begun = performance.now();
  await fillStore({ file, devices: [DEVICE], rowsPerDevice: rows, csv: python && csv });
  console.log(
    `${rows} rows: stored in ${rounded((performance.now() - begun) / 1000)} s, ${rounded(statSync(file).size / 1e6, 0)} MB`,
  );
  const platform = await startPlatform({ dataDir: folder, env: { LOG_LEVEL: "warn" } });
  const duckdb = python ? await startDuckdb(python, folder, csv, rows) : undefined;
  try {
    const hours = await warmUp(platform, duckdb);
    const runs = { rest: [] as Run[], duckdb: [] as Run[] };
    for (let round = 1; round <= rounds; round++) {
      runs.rest.push(await byRest(platform));
      if (duckdb) runs.duckdb.push(await duckdb.hourlyMeans());
      const shown = Object.entries(runs).map(([name, all]) => (all.at(-1) ? `${name} ${show(all.at(-1) as Run)}` : ""));
      console.log(`${rows} rows, round ${round}: ${shown.filter(Boolean).join("; ")}`);
    }
    const ms = (all: Run[]) => rounded(median(all.map((run) => run.ms)));
    const cpuMs = (all: Run[]) => rounded(median(all.map((run) => run.cpuMs)));
    const ratio = (key: keyof Run) =>
      duckdb
        ? rounded(median(runs.rest.map((run, index) => run[key] / (runs.duckdb[index] as Run)[key])), 2)
        : undefined;
    return {
      ...{ rows, hours, hourlyMeanMs: ms(runs.rest), cpuMs: cpuMs(runs.rest) },
      cpuMicrosPerRow: rounded((cpuMs(runs.rest) * 1000) / rows, 3),
      ...(duckdb
        ? {
            ...{ vsDuckdb: ratio("ms"), cpuVsDuckdb: ratio("cpuMs") },
            duckdb: { version: duckdb.version, hourlyMeanMs: ms(runs.duckdb), cpuMs: cpuMs(runs.duckdb) },
          }
        : { vsDuckdb: null }),
      rounds,
    };
  } finally {
    await duckdb?.close();
    await platform.stop();
    rmSync(folder, { recursive: true, maxRetries: 3 });
  }
}

const show = ({ ms, cpuMs }: Run) => `${rounded(ms)} ms (CPU ${rounded(cpuMs)} ms)`;

async function byRest(platform: Platform): Promise<Run> {
  const [cpu, begun] = [cpuMicros(platform.pid), performance.now()];
  await hourlyMeans(platform);
  return { ms: performance.now() - begun, cpuMs: (cpuMicros(platform.pid) - cpu) / 1000 };
}

async function hourlyMeans({ http }: Platform): Promise<Aggregate[]> {
  const items: Aggregate[] = [];
  let cursor: string | undefined;
  do {
    const search = new URLSearchParams({
      interval: "PT1H",
      aggregate: "avg",
      limit: "1000",
      ...(cursor ? { cursor } : {}),
    });
    const response = await fetch(`${http}/v1/devices/${DEVICE}/readings?${search}`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const page = (await response.json()) as { items: Aggregate[]; nextCursor?: string };
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  return items;
}

/** Asks both once, and holds their answers against each other. Returns the number of hours. */
async function warmUp(platform: Platform, duckdb: Duckdb | undefined): Promise<number> {
  const items = await hourlyMeans(platform);
  const means = (await duckdb?.hourlyMeans(true))?.means;
  if (!means) return items.length;
  assert.equal(items.length, means.length);
  for (const [index, { start, metrics }] of items.entries()) {
    const [hour, ...values] = means[index] as [number, ...number[]];
    assert.equal(Date.parse(start) * 1000, hour);
    for (const [place, name] of METRICS.entries()) {
      const [ours, theirs] = [metrics[name]?.avg as number, values[place] as number];
      assert.ok(Math.abs(ours - theirs) <= 1e-9 * Math.abs(theirs), `${start} ${name}: ${ours} is not ${theirs}`);
    }
  }
  return items.length;
}
