import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type Account, aclLines, bridgeLines, passwordLines } from "./mosquitto-accounts.ts";

export interface BrokerFilesOptions {
  /** Of the broker, with the bridge's user and password. */
  url: string;
  passwordFile: string;
  aclFile: string;
  /** Where the broker writes its pid: it is told by SIGHUP to read the files again. */
  pidFile?: string | undefined;
  /** How often the files are held against the registry, told of a change or not. */
  refreshMs: number;
  /** Devices that may connect, page by page; null where there is no hash of the credential. */
  accounts(): AsyncIterable<readonly (Omit<Account, "hash"> & { hash: string | null })[]>;
  log(message: string, fields: object): void;
}

/** Changes that come together are written together. */
const SETTLE_MS = 50;
/** The files are read and compared for at most so much of the time. */
const IDLE_TIMES = 4;

/** mosquitto's password and ACL files: who is in the registry, each with its own topics. Replaced as a whole, atomically. */
export class BrokerFiles {
  readonly #options: BrokerFilesOptions;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #trouble: string | undefined;
  #tellAnyway = true;
  #withoutHash = 0;

  constructor(options: BrokerFilesOptions) {
    this.#options = options;
  }

  /** Whether the broker is told to read the files again. */
  get reloads(): boolean {
    return this.#options.pidFile !== undefined;
  }

  /** Why the files are not what the registry has. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Resolves when the files are written. @throws Error naming what is wrong with them */
  async open(): Promise<void> {
    await this.#write();
    this.#schedule(this.#options.refreshMs);
  }

  /** The registry has something new. */
  changed(): void {
    if (this.#closed) return;
    if (this.#running) this.#again = true;
    else this.#schedule(SETTLE_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.#refresh(), ms).unref();
  }

  #refresh(): void {
    const begun = performance.now();
    this.#again = false;
    this.#running = this.#write()
      .then(
        () => {
          this.#trouble = undefined;
        },
        (error: Error) => {
          if (this.#trouble === undefined)
            this.#options.log("The MQTT broker's files could not be written; it is tried again.", { error });
          this.#trouble = `MQTT broker's files: ${error.message}`;
          this.#again = true;
        },
      )
      .finally(() => {
        this.#running = undefined;
        const pause = Math.max(SETTLE_MS, (performance.now() - begun) * IDLE_TIMES);
        this.#schedule(this.#again ? Math.max(pause, this.#trouble === undefined ? 0 : 1000) : this.#options.refreshMs);
      });
  }

  async #write(): Promise<void> {
    const { url, passwordFile, aclFile, accounts } = this.#options;
    let { password, acl } = bridgeLines(url);
    let withoutHash = 0;
    for await (const page of accounts())
      for (const { hash, ...device } of page)
        if (hash === null) withoutHash++;
        else {
          password += passwordLines({ ...device, hash });
          acl += aclLines(device);
        }
    this.#warn(withoutHash);
    // First the rules: a device that is let in has its own already.
    const changed = [replace(aclFile, acl), replace(passwordFile, password)].some(Boolean);
    if (changed || this.#tellAnyway) this.#tell();
  }

  #tell(): void {
    const { pidFile } = this.#options;
    if (pidFile === undefined) return;
    this.#tellAnyway = true;
    const pid = pidIn(pidFile);
    // A broker that does not run reads the files when it starts.
    if (pid !== undefined) process.kill(pid, "SIGHUP");
    this.#tellAnyway = false;
  }

  #warn(withoutHash: number): void {
    if (withoutHash > 0 && withoutHash !== this.#withoutHash)
      this.#options.log("Devices cannot connect to the MQTT broker: their credentials are of an older version.", {
        devices: withoutHash,
      });
    this.#withoutHash = withoutHash;
  }
}

/** Whether the file had another content. @throws Error naming the file */
function replace(file: string, text: string): boolean {
  if (contentOf(file) === text) return false;
  const temporary = `${file}.${process.pid}.new`;
  try {
    writeFileSync(temporary, text, { mode: 0o640, flush: true });
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new Error(`${file} cannot be written: ${(cause as Error).message}`, { cause });
  }
  return true;
}

function contentOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** The pid of a process that runs. */
function pidIn(file: string): number | undefined {
  const pid = Number.parseInt(contentOf(file) ?? "", 10);
  if (!(pid > 1)) return undefined;
  // Left behind by a broker that was killed, it may be another's by now; elsewhere than on Linux nothing tells.
  const name = contentOf(`/proc/${pid}/comm`);
  if (name !== undefined && !name.startsWith("mosquitto")) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return undefined;
    throw new Error(`process ${pid} of ${file} cannot be signalled: ${(error as Error).message}`);
  }
}
