import { open, rm } from "node:fs/promises";
import type { DatabaseSync } from "node:sqlite";

/** What SQLite's primary result codes say of a disk; others are no trouble of the disk. */
const CAUSES: Record<number, string> = {
  8: "the disk or the file is read-only",
  10: "the disk reports an I/O error",
  11: "the file is damaged",
  13: "the disk is full",
  14: "the file cannot be opened",
  26: "the file is damaged",
};
/** Nothing that a try would find out: the file can be written, and stays damaged. */
const LASTING = [11, 26];

/** Bytes that must find room before a full disk counts as free again: more than a commit or two. */
const PROBE_BYTES = 1_048_576;

export interface DiskTroubleOptions {
  /** The engine, as operators know it: "facts channel". */
  engine: string;
  file: string;
  /** Writes something small to the file, durably. @throws while that is impossible. */
  write(): unknown;
  /** Time between two tries. @default 1000 */
  probeMs?: number;
}

/**
 * Whether an engine's file can be written at present. What an engine reports begins the trouble; a try of its own, once
 * a second, ends it, so that nobody has to write first. A success in between does not end it: on a full disk a small
 * write may find room where the next finds none.
 */
export class DiskTrouble {
  readonly #options: DiskTroubleOptions;
  #reason: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DiskTroubleOptions) {
    this.#options = options;
  }

  /** Why the engine cannot write, for operators; undefined where it can. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** An operation of the engine has failed. Errors that are not the disk's are ignored. */
  report(error: unknown): void {
    const code = resultCode(error);
    const cause = code === undefined ? undefined : CAUSES[code];
    if (code === undefined || cause === undefined) return;
    this.#reason = `${this.#options.engine}: ${cause} (${this.#options.file})`;
    if (LASTING.includes(code)) this.#stop();
    else this.#timer ??= setInterval(() => void this.#probe(), this.#options.probeMs ?? 1000).unref();
  }

  close(): void {
    this.#stop();
    this.#reason = undefined;
  }

  async #probe(): Promise<void> {
    const timer = this.#timer;
    try {
      await probeFolder(`${this.#options.file}.probe`);
      await this.#options.write();
    } catch (error) {
      this.report(error);
      return;
    }
    // Not where it was closed meanwhile.
    if (timer === this.#timer) this.close();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Whether an error of SQLite, or what it caused, is the fault of the disk and not of the data. */
export function isDiskError(error: unknown): boolean {
  const code = resultCode(error);
  return code !== undefined && code in CAUSES;
}

/** A write that changes nothing: the file's header, as it is. Inside a transaction. */
export function rewriteHeader(db: DatabaseSync): void {
  db.exec(`PRAGMA user_version=${Number(db.prepare("PRAGMA user_version").get()?.["user_version"])}`);
}

async function probeFolder(path: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.write(Buffer.alloc(PROBE_BYTES, 1));
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** SQLite's primary result code, also where the error was wrapped. */
function resultCode(error: unknown, depth = 0): number | undefined {
  const { errcode, cause } = (error ?? {}) as { errcode?: unknown; cause?: unknown };
  if (typeof errcode === "number") return errcode & 0xff;
  return cause === undefined || depth >= 3 ? undefined : resultCode(cause, depth + 1);
}
