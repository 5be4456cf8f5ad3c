// A process of its own that publishes and works, to be killed. What it was promised and what it did stands in a ledger
// file, which survives its death: `acknowledged FATE LIFE N`, `handling … PID` before an effect and `handled … PID` after.
import { existsSync, openSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Errors } from "moleculer";
import type { WorkAdapter } from "../../../lib/channels/base-adapter.ts";
import { isOutage } from "../../../lib/channels/errors.ts";
import type { ItemInWork as RabbitInWork } from "../../../lib/channels/rabbitmq/consumer-host.ts";
import { Publisher } from "../../../lib/channels/rabbitmq/publisher.ts";
import { RabbitmqWorkAdapter } from "../../../lib/channels/rabbitmq/rabbitmq-work.ts";
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
  /** URL of RabbitMQ, where that is the engine; else a file in the folder. */
  rabbitmq?: string;
  /** Number of this life of the process. */
  life: number;
  /** Publishes until it is told to stop. */
  publishes: boolean;
  /** Pause between two rounds of publishing, milliseconds. @default none */
  paceMs?: number;
  works: boolean;
  /** How long the handler works before its effect is there, milliseconds. */
  handlerMs: number;
  leaseMs: number;
  deliveriesMax: number;
  /** A file that the handler waits for, blocking the whole process: it hangs, and holds no lock of the database. */
  hangsUntil?: string;
  /** A build broken on purpose, as a control: the checks must find what that loses. */
  broken?: "acknowledges-early" | "no-renewal" | "no-confirms";
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

class RabbitAcknowledgesEarly extends RabbitmqWorkAdapter {
  protected override async processItem(item: RabbitInWork): Promise<void> {
    item.done();
    await item.handle();
  }
}

/** Resolves when the message is written to the socket. */
class RabbitWithoutConfirms extends RabbitmqWorkAdapter {
  protected override openPublisher(confirmTimeoutMs: number): Publisher {
    return new Unconfirmed(confirmTimeoutMs);
  }
}

class Unconfirmed extends Publisher {
  protected override send(...[channel, queue, content, properties, confirmed]: Parameters<Publisher["send"]>): void {
    super.send(channel, queue, content, properties, () => {});
    confirmed(null);
  }
}

const FILE_BUILDS = {
  sound: SqliteWorkAdapter,
  "acknowledges-early": AcknowledgesEarly,
  "no-renewal": NeverRenews,
  "no-confirms": undefined,
};
const RABBIT_BUILDS = {
  sound: RabbitmqWorkAdapter,
  "acknowledges-early": RabbitAcknowledgesEarly,
  "no-renewal": undefined,
  "no-confirms": RabbitWithoutConfirms,
};

function adapterOf({ dir, rabbitmq, broken, leaseMs, deliveriesMax }: WorkerOptions): WorkAdapter {
  const common = { leaseMs, maxRetries: deliveriesMax - 1, retryMs: 1, retryMaxMs: 10 };
  const [Rabbit, File] = [RABBIT_BUILDS[broken ?? "sound"], FILE_BUILDS[broken ?? "sound"]];
  if (rabbitmq && Rabbit)
    return new Rabbit({ ...common, url: rabbitmq, prefix: basename(dir), channels: ["jobs", "other"] });
  if (!rabbitmq && File) return new File({ ...common, file: join(dir, "work.db"), pollMs: 20, sweepMs: 50 });
  throw new Error(`no such build: ${broken}`);
}

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

const adapter = adapterOf(options);
const broker = await workingBroker(
  adapter,
  options.works ? { jobs: [{ group: "workers", maxInFlight: 5, handler: handle }] } : {},
);

let stopping = false;
async function publish(): Promise<void> {
  for (let n = 1; !stopping; n++) {
    if (options.paceMs) await sleep(options.paceMs);
    await Promise.all(
      FATES.map(async (fate) => {
        const job: Job = { fate, life: options.life, n };
        // Its delay is longer than its life.
        try {
          await broker.publish("jobs", job, fate === "expired" ? { ttlMs: 20, delayMs: 3_600_000 } : {});
          note("acknowledged", job);
        } catch (error) {
          // Whether it is stored is not known then; any other error ends the process.
          if (!isOutage(error)) throw error;
          note("refused", job);
          await sleep(20);
        }
      }),
    );
  }
}
const published = options.publishes ? publish() : Promise.resolve();

async function depth(): Promise<number> {
  try {
    return (await broker.work.depths()).find(({ channel }) => channel === "jobs")?.depth ?? 0;
  } catch (error) {
    if (isOutage(error)) return 1;
    throw error;
  }
}

process.on("message", async (order: "stop" | "drain") => {
  stopping = true;
  if (order === "drain") await published;
  const looks = options.rabbitmq ? 20 : 1;
  // What a queue takes back from a process that died is nowhere for a moment.
  for (let empty = 0; order === "drain" && empty < looks; empty = (await depth()) === 0 ? empty + 1 : 0)
    await sleep(100);
  await broker.stop();
  process.exit(0);
});
process.send?.("ready");
