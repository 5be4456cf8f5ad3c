import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RabbitmqWorkAdapter } from "../../lib/channels/rabbitmq/rabbitmq-work.ts";
import { drained } from "../engines/drained.ts";
import { kill, told } from "../ports/facts-channel/worker-process.ts";
import { burials, wrongsOf } from "../ports/work-channel/lives.ts";
import type { WorkerOptions } from "../ports/work-channel/worker.ts";
import { readLedger, startWorker } from "../ports/work-channel/worker-process.ts";
import type { RabbitMq } from "../support/engines/rabbitmq.ts";

const WORKERS = 2;
/** RabbitMQ 3.10 may lose a quorum queue that is younger than a moment. */
const SETTLES_MS = 1000;

export interface WorkFlowOptions {
  /** Each worker publishes four items, one of each fate, in so many milliseconds. */
  paceMs: number;
  /** A build broken on purpose. */
  broken?: NonNullable<WorkerOptions["broken"]>;
}

/**
 * Processes that publish and work through the platform's work channel, since no service of the platform does yet; their
 * ledger says what was promised and done.
 */
export class WorkFlow {
  readonly #rabbitmq: RabbitMq;
  readonly #options: Partial<WorkerOptions> & { dir: string };
  readonly #workers: ChildProcess[] = [];
  #lives = 0;

  constructor(rabbitmq: RabbitMq, options: WorkFlowOptions) {
    this.#rabbitmq = rabbitmq;
    const dir = mkdtempSync(join(tmpdir(), "ganglion-work-"));
    this.#options = { dir, rabbitmq: rabbitmq.url, handlerMs: 10, deliveriesMax: 6, publishes: true, ...options };
  }

  async begin(): Promise<void> {
    for (let worker = 0; worker < WORKERS; worker++) await this.startWorker();
    await sleep(SETTLES_MS);
  }

  async startWorker(): Promise<void> {
    this.#workers.push(await startWorker({ ...this.#options, life: ++this.#lives }));
  }

  /** SIGKILL to the oldest, with something in work. */
  async killWorker(): Promise<void> {
    const worker = this.#workers.shift() as ChildProcess;
    await told(worker, "handling");
    await kill(worker);
  }

  /** Items that were accepted so far. */
  get accepted(): number {
    return readLedger(this.#options.dir).filter(({ what }) => what === "acknowledged").length;
  }

  /** Ends the flow when nothing is left to do; what did not end once as done, expired or dead with its cause. */
  async wrongs(t: TestContext): Promise<string[]> {
    const codes = await drained(this.#rabbitmq, this.#workers.splice(0), this.#options);
    assert.deepEqual(new Set(codes), new Set([0]), "no unhandled rejection");
    const { dir } = this.#options;
    const adapter = new RabbitmqWorkAdapter({
      ...{ url: this.#rabbitmq.url, prefix: basename(dir), channels: ["jobs", "other"] },
    });
    return wrongsOf({ ledger: readLedger(dir), ...(await burials(t, adapter, true)) });
  }

  async dispose(): Promise<void> {
    for (const worker of this.#workers.splice(0)) await kill(worker);
    rmSync(this.#options.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}
