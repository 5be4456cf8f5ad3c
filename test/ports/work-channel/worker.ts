// A process of its own that publishes and works, to be killed. What it was promised and what it did stands in a ledger
// file, which survives its death: `acknowledged FATE LIFE N`, `handling … PID` before an effect and `handled … PID` after.
import { existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Errors } from "moleculer";
import { SqliteWorkAdapter } from "../../../lib/channels/sqlite-work.ts";
import type { ItemInWork } from "../../../lib/channels/work-loop.ts";
import { workingBroker } from "./working-broker.ts";

/** What becomes of an item, whoever is killed: decided when it is published. */
export const FATES = ["done", "rejected", "delivery_limit", "expired"] as const;
export type Fate = (typeof FATES)[number];

export interface Job {
  fate: Fate;
  life: number;
  n: number;
}

export interface WorkerOptions {
  dir: string;
  /** Number of this life of the process. */
  life: number;
  /** Publishes until it is told to stop. */
  publishes: boolean;
  works: boolean;
  /** How long the handler works before its effect is there, milliseconds. */
  handlerMs: number;
  leaseMs: number;
  deliveriesMax: number;
  /** A file that the handler waits for, blocking the whole process: it hangs, and holds no lock of the database. */
  hangsUntil?: string;
  /** A build broken on purpose, as a control: the checks must find what that loses. */
  broken?: "acknowledges-early" | "no-renewal";
}

class AcknowledgesEarly extends SqliteWorkAdapter {
  protected override async processItem(item: ItemInWork): Promise<void> {
    await item.done();
    await item.handle();
  }
}

class NeverRenews extends SqliteWorkAdapter {
  protected override renewLeases(): void {}
}

const BUILDS = { "acknowledges-early": AcknowledgesEarly, "no-renewal": NeverRenews };

const options = JSON.parse(process.argv[2] ?? "{}") as WorkerOptions;
const clock = new Int32Array(new SharedArrayBuffer(4));
const ledger = openSync(join(options.dir, "ledger"), "a");
const note = (what: string, { fate, life, n }: Job, ...rest: unknown[]) =>
  writeSync(ledger, `${[what, fate, life, n, ...rest].join(" ")}\n`);

async function handle(job: Job): Promise<void> {
  process.send?.("handling");
  note("handling", job, process.pid);
  while (options.hangsUntil && !existsSync(options.hangsUntil)) Atomics.wait(clock, 0, 0, 10);
  await sleep(options.handlerMs);
  if (job.fate === "rejected") throw new Errors.MoleculerClientError("no such thing", 404, "NO_SUCH_THING");
  if (job.fate === "delivery_limit") throw new Error("never well");
  note("handled", job, process.pid);
}

const adapter = new (options.broken ? BUILDS[options.broken] : SqliteWorkAdapter)({
  file: join(options.dir, "work.db"),
  leaseMs: options.leaseMs,
  maxRetries: options.deliveriesMax - 1,
  pollMs: 20,
  sweepMs: 50,
  retryMs: 1,
  retryMaxMs: 10,
});
const broker = await workingBroker(
  adapter,
  options.works ? { jobs: [{ group: "workers", maxInFlight: 5, handler: handle }] } : {},
);

let stopping = false;
async function publish(): Promise<void> {
  for (let n = 1; !stopping; n++)
    await Promise.all(
      FATES.map(async (fate) => {
        const job: Job = { fate, life: options.life, n };
        // Its delay is longer than its life.
        await broker.publish("jobs", job, fate === "expired" ? { ttlMs: 20, delayMs: 3_600_000 } : {});
        note("acknowledged", job);
      }),
    );
}
const published = options.publishes ? publish() : Promise.resolve();

process.on("message", async (order: "stop" | "drain") => {
  stopping = true;
  await published;
  const depth = async () => (await broker.work.depths()).find(({ channel }) => channel === "jobs")?.depth ?? 0;
  while (order === "drain" && (await depth()) > 0) await sleep(10);
  await broker.stop();
  process.exit(0);
});
process.send?.("ready");
