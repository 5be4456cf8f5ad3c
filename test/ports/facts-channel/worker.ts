// A process of its own that publishes and consumes, to be killed. What it was promised and what it handled stands in a
// ledger file, which survives its death: `acknowledged KEY LIFE N` and `handled KEY LIFE N PID`.
import { existsSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Batch } from "../../../lib/channels/consumer-loop.ts";
import type { RawMessage } from "../../../lib/channels/message.ts";
import { SqliteFactsAdapter } from "../../../lib/channels/sqlite-facts.ts";
import { consumingBroker } from "./consuming-broker.ts";

export interface WorkerOptions {
  dir: string;
  /** Number of this life of the process. */
  life: number;
  /** Publishes until it is told to stop. */
  publishes: boolean;
  /** How long the handler works before its effect is there, milliseconds. */
  handlerMs: number;
  batchSize: number;
  /** A file that the handler waits for, blocking the whole process: it hangs, and holds no lock of the database. */
  hangsUntil?: string;
  leaseMs: number;
  /** Commits the position before the handler, as a control: the checks must find what that loses. */
  broken: boolean;
}

class BrokenAdapter extends SqliteFactsAdapter {
  protected override async processBatch(batch: Batch): Promise<void> {
    await batch.commit();
    await batch.deliver();
  }
}

const options = JSON.parse(process.argv[2] ?? "{}") as WorkerOptions;
const clock = new Int32Array(new SharedArrayBuffer(4));
const ledger = openSync(join(options.dir, "ledger"), "a");
const note = (lines: string[]) => writeSync(ledger, lines.map((line) => `${line}\n`).join(""));

const adapter = new (options.broken ? BrokenAdapter : SqliteFactsAdapter)({
  file: join(options.dir, "facts.db"),
  leaseMs: options.leaseMs,
  pollMs: 20,
});
const broker = await consumingBroker(adapter, {
  readings: [
    {
      group: "store",
      batch: { size: options.batchSize },
      async handler(batch: { life: number; n: number }[], raw: RawMessage[]) {
        process.send?.("handling");
        while (options.hangsUntil && !existsSync(options.hangsUntil)) Atomics.wait(clock, 0, 0, 10);
        await sleep(options.handlerMs);
        note(batch.map(({ life, n }, i) => `handled ${raw[i]?.key} ${life} ${n} ${process.pid}`));
      },
    },
  ],
});

let stopping = false;
async function publish(): Promise<void> {
  for (let n = 1; !stopping; n++)
    await Promise.all(
      ["a", "b", "c"].map(async (key) => {
        await broker.publish("readings", { life: options.life, n }, { key });
        note([`acknowledged ${key} ${options.life} ${n}`]);
      }),
    );
}
const published = options.publishes ? publish() : Promise.resolve();

process.on("message", async (order: "stop" | "drain") => {
  stopping = true;
  await published;
  while (order === "drain" && (await broker.facts.lag("readings", "store")) > 0) await sleep(10);
  await broker.stop();
  process.exit(0);
});
process.send?.("ready");
