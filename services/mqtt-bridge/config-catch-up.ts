import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { backOff } from "../../lib/channels/back-off.ts";
import type { DeviceKey } from "./edge/edge-policy.ts";

/** Devices whose configuration is as new as asked for, and where to go on. */
export interface ConfiguredPage {
  items: readonly DeviceKey[];
  next?: string | undefined;
}

export interface CatchUpParts {
  /** Where it is kept until when all are told. */
  file: string;
  /** Asks the registry, for what was changed at `since` (milliseconds since 1970) or later. */
  changedSince(since: number, after: string | undefined): Promise<ConfiguredPage>;
  /** Brings a device its configuration. @throws where it could not be handed over */
  bring(device: DeviceKey): Promise<void>;
  failed(error: unknown): void;
}

/** By so much the clocks of two processes may differ. */
const CLOCKS_MS = 60_000;
const RETRY = { retryMs: 1000, retryMaxMs: 30_000 };

/**
 * Brings the devices at a broker what was changed while this process, or the broker, was away. Whoever is told twice
 * leaves the version alone that it has.
 */
export class ConfigCatchUp {
  readonly #parts: CatchUpParts;
  readonly #stopped = new AbortController();
  #running = false;
  #again = false;

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  /** The broker is there, perhaps again. */
  begin(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    this.#run().finally(() => {
      this.#running = false;
    });
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    for (let failures = 0; this.#again && !signal.aborted; ) {
      this.#again = false;
      try {
        await this.#once();
        failures = 0;
      } catch (error) {
        if (failures === 0) this.#parts.failed(error);
        this.#again = true;
        await backOff(++failures, RETRY, signal).catch(() => {});
      }
    }
  }

  async #once(): Promise<void> {
    const { changedSince, bring } = this.#parts;
    const begun = Date.now();
    const since = Math.max(0, this.#told() - CLOCKS_MS);
    for (let after: string | undefined, more = true; more; more = after !== undefined) {
      const { items, next } = await changedSince(since, after);
      for (const device of items) {
        if (this.#stopped.signal.aborted) return;
        await bring(device);
      }
      after = next;
    }
    this.#remember(begun);
  }

  /** Until when all are told, milliseconds since 1970. */
  #told(): number {
    try {
      const { configsUntil } = JSON.parse(readFileSync(this.#parts.file, "utf8")) as { configsUntil?: unknown };
      return typeof configsUntil === "number" ? configsUntil : 0;
    } catch {
      // Whoever knows nothing tells all.
      return 0;
    }
  }

  #remember(configsUntil: number): void {
    const { file } = this.#parts;
    writeFileSync(`${file}.new`, `${JSON.stringify({ configsUntil })}\n`, { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  }
}
