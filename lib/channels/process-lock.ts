import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/**
 * A name for one user of a channel file, and whether another one still lives: each holds an operating-system lock on a
 * file of its own, through an open SQLite transaction. A SIGKILL frees it, so nobody waits for the lease of the dead,
 * and no pid is mistaken for another's.
 */
export class ProcessLock {
  readonly id = randomUUID();
  #prefix: string;
  #lock: DatabaseSync;

  constructor(file: string) {
    this.#prefix = `${file}.user-`;
    this.#lock = new DatabaseSync(this.#prefix + this.id);
    this.#lock.exec("PRAGMA journal_mode=DELETE; BEGIN EXCLUSIVE");
  }

  /** Names one holder within this process. */
  holder(name: string | number): string {
    return `${this.id}/${name}`;
  }

  /** Whether the process of a holder still lives; the file of a dead one is removed. */
  isAlive(holder: string): boolean {
    const id = holder.slice(0, holder.indexOf("/"));
    if (id === this.id) return true;
    const path = this.#prefix + id;
    if (!existsSync(path)) return false;
    let probe: DatabaseSync | undefined;
    try {
      probe = new DatabaseSync(path, { timeout: 0 });
      probe.exec("BEGIN EXCLUSIVE");
    } catch {
      return true;
    } finally {
      probe?.close();
    }
    rmSync(path, { force: true });
    return false;
  }

  release(): void {
    this.#lock.close();
    rmSync(this.#prefix + this.id, { force: true });
  }
}
