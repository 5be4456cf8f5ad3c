import { EventEmitter } from "node:events";
import { EmbeddedDb } from "./embedded-db.ts";
import { refuse } from "./errors.ts";
import { sweepExpired } from "./expiry.ts";
import { StoreFile } from "./store-file.ts";

/** Settings of the embedded store. */
export interface EmbeddedOptions {
  /** FULL (default) survives power loss; NORMAL the death of the process only. */
  synchronous?: "FULL" | "NORMAL";
  /** How long a write waits for another process's write, blocking. Default 5000 ms. */
  busyTimeoutMs?: number;
  /** Between two sweeps of TTL indexes. Default 60 s, as MongoDB's. */
  expirySweepSeconds?: number;
  /** Prepared statements kept. Default 500. */
  statementsMax?: number;
  /** Database name. Default `ganglion`. */
  dbName?: string;
}

/** The look-alike of the driver's MongoClient: one SQLite file. */
export class EmbeddedClient extends EventEmitter {
  readonly topology = { description: { type: "Embedded" } };
  readonly s = { options: { hosts: [] } };
  readonly #file: StoreFile;
  readonly #dbName: string;
  readonly #timer: NodeJS.Timeout;

  /** @throws Error when the file cannot be opened, is something else, or of a newer format. */
  constructor(file: string, options: EmbeddedOptions) {
    super();
    this.#dbName = options.dbName ?? "ganglion";
    this.#file = new StoreFile(file, {
      synchronous: options.synchronous ?? "FULL",
      busyTimeoutMs: options.busyTimeoutMs ?? 5000,
      statementsMax: options.statementsMax ?? 500,
    });
    this.#timer = setInterval(() => this.#sweep(), (options.expirySweepSeconds ?? 60) * 1000).unref();
  }

  #sweep(): void {
    try {
      // The rest waits for its turn on the event loop.
      if (sweepExpired(this.#file, new Date())) setImmediate(() => this.#closed || this.#sweep()).unref();
    } catch (error) {
      // The next sweep tries again; a full disk or a busy file must not end the process.
      process.emitWarning(error instanceof Error ? error : String(error));
    }
  }

  #closed = false;

  db(name?: string): EmbeddedDb {
    return new EmbeddedDb(this, name ?? this.#dbName, this.#file);
  }

  /** Why nothing can be written at present; undefined where it can. */
  get trouble(): string | undefined {
    return this.#file.trouble.reason;
  }

  startSession(): never {
    return refuse("sessions and transactions");
  }

  async withSession(): Promise<never> {
    return refuse("sessions and transactions");
  }

  watch(): never {
    return refuse("watch");
  }

  async bulkWrite(): Promise<never> {
    return refuse("bulkWrite of a client");
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#file.close();
    this.emit("close");
  }
}
